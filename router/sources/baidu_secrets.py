"""Credentials in Baidu's pushes: PostEvent may carry temporary ones, with which anybody reads the bucket.

`content.credentials` holds accessKeyId, secretAccessKey, sessionToken and expiration
(intl.cloud.baidu.com/doc/BOS/s/lkc4lyou5-en). Found by pattern: they may stand in what is no JSON, too.
"""

from __future__ import annotations

import re

REDACTED = b'"[redacted]"'
"""What stands in their place."""

_NAMES = ("credentials", "accessKeyId", "secretAccessKey", "sessionToken")


def _spelled(name: str) -> str:
    """A pattern for all the ways in which JSON may spell a name."""
    return "".join(rf"(?:{char}|\\u00{ord(char):02x}|\\u00{ord(char.upper()):02x})" for char in name.lower())


_MEMBER = re.compile(rf'(?i)"(?:{"|".join(map(_spelled, _NAMES))})"\s*+:'.encode())

MAX_TOKENS = 25_000
"""How much of a body is looked through for values; what stands behind that goes as one.

Some 18 are in one `credentials`, and there is one for each of a push's events, of which 1,000 are taken."""

_TOKEN = re.compile(
    rb"""([ \t\r\n]*+)(?:
        (?P<key>"(?:[^"\\]|\\.)*+"(?=[ \t\r\n]*+:))
      | (?P<scalar>"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[^ \t\r\n",:\[\]{}]++)
      | (?P<open>[\[{])
      | (?P<close>[\]}])
      | (?P<mark>[,:]))""",
    re.DOTALL | re.VERBOSE,
)


def redacted(body: bytes) -> bytes:
    """The body with `REDACTED` for each value in such a member; every other byte stays as it is.

    Where the text breaks off or is broken in there, rather too much of it goes than too little, and all of it
    where it is in another encoding.
    """
    if b"\0" in body:
        return REDACTED
    pieces: list[bytes] = []
    done = tokens = 0
    while found := _MEMBER.search(body, done):
        pieces.append(body[done : found.end()])
        done = found.end()
        depth, before = 0, b""
        while token := _TOKEN.match(body, done):  # a search would try each of many blanks
            kind = str(token.lastgroup)
            depth += (kind == "open") - (kind == "close")
            if depth < 0 or (depth == 0 and kind == "mark"):
                break
            blank, text = token[1], token[kind]
            is_value = kind == "scalar" or (kind == "key" and before not in (b"{", b","))
            pieces += (blank, REDACTED if is_value and text != b"null" else text)
            done, before, tokens = token.end(), text, tokens + 1
            if depth == 0 or tokens > MAX_TOKENS:
                break
        if tokens > MAX_TOKENS:
            return b"".join((*pieces, REDACTED))
    return b"".join((*pieces, body[done:]))
