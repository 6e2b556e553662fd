"""Credentials in Baidu's pushes: PostEvent may carry temporary ones, with which anybody reads the bucket.

`content.credentials` holds accessKeyId, secretAccessKey, sessionToken and expiration
(intl.cloud.baidu.com/doc/BOS/s/lkc4lyou5-en). They may stand in what is no JSON, and in any encoding, too.
"""

from __future__ import annotations

import codecs

from router.sources import baidu_redaction

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF8: "utf-8",
}
"""In this order: UTF-32's begins with UTF-16's."""

_SHAPES: dict[tuple[bool, ...], str] = {
    (False, False, False, True): "utf-32-be",
    (True, False, False, False): "utf-32-le",
    (False, True, False, True): "utf-16-be",
    (True, False, True, False): "utf-16-le",
}
"""Which of its first bytes are not 0, if a text begins with two ASCII characters (RFC 4627, section 3)."""

_BOM = "\ufeff"


def redacted(body: bytes) -> bytes:
    """The body without credentials, in the encoding it came in.

    JSON stays JSON, with `"[redacted]"` for each value of such a member; of other texts, what stands behind
    such a name goes (see `baidu_redaction`). What is no text stays as it is where it cannot hold such a name,
    in UTF-8, UTF-16 or UTF-32. Else a digest stands for all of it, so that two different ones stay two.
    """
    encoding = _encoding(body)
    if encoding is None:
        return baidu_redaction.redacted(body)
    bare = body.replace(b"\0", b"")
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        text = ""
    marked = text.startswith(_BOM)
    plain = text.removeprefix(_BOM).encode()
    names = baidu_redaction.names(bare)
    if text and baidu_redaction.names(plain) == names:
        left = baidu_redaction.redacted(plain).decode()
        return (_BOM * marked + left).encode(encoding)
    return baidu_redaction.mark(body) if names else body


def _encoding(body: bytes) -> str | None:
    """What it seems to be written in; None for what has no byte 0, and so is read as it is."""
    for mark, encoding in _MARKS.items():
        if body.startswith(mark):
            return encoding
    if b"\0" not in body:
        return None
    return _SHAPES.get(tuple(map(bool, body[:4])), "utf-8")
