"""The JSON of Baidu's push, one fault of its own document forgiven: a comma after an object's last member."""

from __future__ import annotations

import re
from typing import Any

from router.events import EventError, json_text

_TRAILING = re.compile(
    rb"""
    "(?:[^"\\]++|\\.)*+"?                 # a string, skipped; an open one reaches to the end
    | (?P<before>[\[{,:][ \t\r\n]*)? ,    # a comma, and whether it follows nothing that it could end,
      (?=[ \t\r\n]*[\]}])                 # with nothing between it and a closing bracket
    """,
    re.DOTALL | re.VERBOSE,
)


def without_trailing_commas(text: bytes) -> bytes:
    """The text with a space in place of each trailing comma; every other byte stays where it was.

    A JSON text comes back as it is: it has no such comma outside its strings. Nothing else is repaired
    (`[,]` and `[1,,]` stay broken), and places in the result are places in the original.
    """
    return _TRAILING.sub(_blank, text)


def _blank(found: re.Match[bytes]) -> bytes:
    if found[0][:1] == b'"' or found["before"]:
        return found[0]
    return b" "


def read(text: bytes) -> tuple[Any, bytes, tuple[str, ...]]:
    """The value, the JSON text it stands in, and the note `trailing-comma` where one had to be ignored.

    Raises:
        EventError: it is no JSON even so; line and column are those of the text as it was sent.
    """
    try:
        return json_text.read(text), text, ()
    except EventError:
        mended = without_trailing_commas(text)
        if mended == text:
            raise
    return json_text.read(mended), mended, ("trailing-comma",)
