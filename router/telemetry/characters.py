"""Texts of strangers, made harmless for lines and terminals."""

from __future__ import annotations

import re

_CONTROL = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"
)
"""C0 but tab and line feed, DEL and C1 (a lone U+009B begins a sequence, as ESC [ does), Unicode's line and
paragraph separators, what turns the direction of text (Unicode Technical Report 36, section 2.5), and what is
not to be seen at all. The joiners U+200C and U+200D stay: scripts and emoji are written with them."""

_IN_A_LINE = re.compile(f"[{_CONTROL}\t\n]")
_IN_A_TEXT = re.compile(f"[{_CONTROL}]")


def one_line(text: str) -> str:
    r"""With every character that is none to be seen as `\uXXXX`: as JSON has them, within its texts.

    >>> one_line("a\nb\x1b[2J")
    'a\\u000ab\\u001b[2J'
    """
    return _IN_A_LINE.sub(_escape, text)


def harmless(text: str) -> str:
    """The same for a text that may have lines and tabs of its own."""
    return _IN_A_TEXT.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
