"""The JSON of Baidu's push, one fault of its own document forgiven: a comma after an object's last member."""

from __future__ import annotations

import re
from typing import Any

from router.events import EventError, json_text

_RUN = re.compile(
    rb"""(?:
        [^",]++
      | "(?:[^"\\]++|\\.)*+"?       # a string; an open one reaches to the end
      | ,(?![ \t\r\n]*+[\]}])       # a comma with more behind it than a closing bracket
    )*+""",
    re.DOTALL | re.VERBOSE,
)
"""As much text as has no trailing comma."""

_ENDS_NOTHING = (b"", b"[", b"{", b",", b":")
"""A comma behind one of these follows no value, so it is more than a trailing comma that is wrong."""

MOST = 100
"""How many are forgiven in a text; the next one is where it is no JSON. Baidu's document has one."""


def without_trailing_commas(text: bytes) -> bytes:
    """The text with a space in place of each trailing comma; every other byte stays where it was.

    A JSON text comes back as it is: it has no such comma outside its strings. Nothing else is repaired
    (`[,]`, `[1,,]` and what is beyond `MOST` stay broken), and places in the result are places in the
    original.
    """
    pieces: list[bytes] = []
    start = found = 0
    while found < MOST and (end := _end_of_run(text, start)) < len(text):
        run = text[start:end]
        before = run.rstrip(b" \t\r\n")[-1:]
        pieces += (run, b"," if before in _ENDS_NOTHING else b" ")
        start, found = end + 1, found + 1
    return b"".join((*pieces, text[start:]))


def _end_of_run(text: bytes, start: int) -> int:
    found = _RUN.match(text, start)
    assert found is not None
    return found.end()


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
