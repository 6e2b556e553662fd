"""Credentials in Baidu's pushes: PostEvent may carry temporary ones, with which anybody reads the bucket.

`content.credentials` holds accessKeyId, secretAccessKey, sessionToken and expiration
(intl.cloud.baidu.com/doc/BOS/s/lkc4lyou5-en). Found by pattern: they may stand in what is no JSON, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

REDACTED = b'"[redacted]"'
"""What stands in their place."""

_NAMES = ("credentials", "accessKeyId", "secretAccessKey", "sessionToken")


def _spelled(name: str) -> str:
    """A pattern for all the ways in which JSON may spell a name."""
    return "".join(rf"(?:{char}|\\u00{ord(char):02x}|\\u00{ord(char.upper()):02x})" for char in name.lower())


_MEMBER = re.compile(rf'(?i)"(?:{"|".join(map(_spelled, _NAMES))})"\s*+:'.encode())

_TOKEN = re.compile(
    rb"""(?P<blank>[ \t\r\n]++)
      | (?P<key>"(?:[^"\\]|\\.)*+"(?=[ \t\r\n]*+:))
      | (?P<scalar>"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[^ \t\r\n",:\[\]{}]++)
      | (?P<open>[\[{])
      | (?P<close>[\]}])
      | (?P<mark>[,:])""",
    re.DOTALL | re.VERBOSE,
)


def redacted(body: bytes) -> bytes:
    """The body with `REDACTED` for each value in such a member; every other byte stays as it is.

    Where the text breaks off or is broken in there, rather too much of it goes than too little.
    """
    return b"".join(_pieces(body))


def _pieces(body: bytes) -> Iterator[bytes]:
    done = 0
    while found := _MEMBER.search(body, done):
        yield body[done : found.end()]
        done = found.end()
        depth, before = 0, b""
        for token in _TOKEN.finditer(body, done):
            kind, text = token.lastgroup, token[0]
            depth += (kind == "open") - (kind == "close")
            if depth < 0 or (depth == 0 and kind == "mark"):
                break
            is_value = kind == "scalar" or (kind == "key" and before not in (b"{", b","))
            yield REDACTED if is_value and text != b"null" else text
            done = token.end()
            if kind != "blank":
                before = text
                if depth == 0:
                    break
    yield body[done:]
