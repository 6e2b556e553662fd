"""Strangers' texts neither break lines nor turn to the terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.characters import harmless, one_line

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x1b\x9b\n\t\r\x7f\u2028\u202e\x00")
)


@given(TEXTS)
def test_a_line_stays_one(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert not {unicodedata.category(character) for character in one_line(text)} & {"Cc", "Zl", "Zp"}


@given(TEXTS)
def test_a_text_keeps_its_own_lines(text: str) -> None:
    assert harmless(text).count("\n") == text.count("\n")
    assert {one for one in harmless(text) if unicodedata.category(one) == "Cc"} <= {"\n", "\t"}


@given(TEXTS)
def test_within_json_it_is_the_same_text(text: str) -> None:
    assert json.loads(one_line(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize("character", "\u00ad\u061c\u200b\u200e\u200f\u2060\u202e\ufeff")
def test_what_is_not_to_be_seen_is_written_out(character: str) -> None:
    assert one_line(f"a{character}b") == harmless(f"a{character}b") == f"a\\u{ord(character):04x}b"


def test_what_is_to_be_seen_stays() -> None:
    assert one_line("锄禾 é 👩‍👩‍👧 \\n") == "锄禾 é 👩‍👩‍👧 \\n"
