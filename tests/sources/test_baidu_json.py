from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventError
from router.sources.baidu_json import MOST, read, without_trailing_commas
from router.testing.strategies import json_texts


@given(json_texts)
def test_a_json_text_is_never_changed(text: bytes) -> None:
    assert without_trailing_commas(text) == text
    assert read(text)[1:] == (text, ())


@given(json_texts, st.sampled_from([b"", b" ", b"\n\t", b"\r\n  "]))
def test_a_comma_behind_a_value_is_the_one_thing_forgiven(text: bytes, space: bytes) -> None:
    for around in (b"[%b]", b'{"a":%b}', b'[[0],{"b":[%b]}]'):
        value, mended, notes = read(around % (text + b"," + space))
        assert value == json.loads(around % text)
        assert mended == around % (text + b" " + space)
        assert notes == ("trailing-comma",)


@given(st.binary(max_size=60))
def test_only_commas_become_spaces_and_nothing_moves(text: bytes) -> None:
    mended = without_trailing_commas(text)
    assert len(mended) == len(text)
    for before, after in zip(text, mended, strict=True):
        assert before == after or (before, after) == (ord(","), ord(" "))


@given(
    st.lists(st.sampled_from([b'"', b"\\", b",", b"}", b"]", b"[", b"{", b" ", b"1", b":"]), max_size=25).map(
        b"".join
    )
)
def test_strings_are_never_touched(text: bytes) -> None:
    strings = re.compile(rb'"(?:[^"\\]|\\.)*"')
    assert strings.findall(without_trailing_commas(text)) == strings.findall(text)


@pytest.mark.parametrize("text", [b'["a,}"]', b'[",]"]', b'["\\",]"]', b'["\\\\", "b,}"]', b'{",}": ",]"}'])
def test_what_looks_like_one_inside_a_string_stays(text: bytes) -> None:
    assert read(text) == (json.loads(text), text, ())


def test_several_are_forgiven_at_once() -> None:
    assert read(b'{"a": [1, 2 , ], "b": {"c": 3,\n},}') == (
        {"a": [1, 2], "b": {"c": 3}},
        b'{"a": [1, 2   ], "b": {"c": 3 \n} }',
        ("trailing-comma",),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[,]", "line 1, column 2: ',' where a value or ] should stand"),
        (b"{,}", "line 1, column 2: ',' where a key in double quotes or } should stand"),
        (b"[1,,]", "line 1, column 4: ',' where a value should stand"),
        (b'{"a":,}', "line 1, column 6: ',' where a value should stand"),
        (b",]", "line 1, column 1: ',' where a value should stand"),
        (b"[1,],", "line 1, column 5: ',' where the end of the text should stand"),
        (b"[1,\n", "line 2, column 1: the text ends where a value should stand"),
        (b'["a,]', "line 1, column 2: a string that is never closed"),
        (b"[1,]\n[2,]", "line 2, column 1: '[' where the end of the text should stand"),
        (b"[1,\xc2\xa0]", "line 1, column 4: '\\xa0' where a value should stand"),
    ],
)
def test_nothing_else_is(text: bytes, message: str) -> None:
    with pytest.raises(EventError) as caught:
        read(text)
    assert caught.value.message == message


def test_a_long_text_takes_no_longer_than_its_length() -> None:
    # Each of these takes minutes where the scanner goes over the same text again and again.
    for text in (b'"\\' * 300_000, b", " * 300_000, b"[" + b" " * 300_000 + b",]", b'",}' * 200_001):
        assert len(without_trailing_commas(text)) == len(text)


def test_some_are_forgiven_and_no_more() -> None:
    text = b"[%b]" % b",".join([b"[1,]"] * MOST)
    assert read(text)[0] == [[1]] * MOST
    with pytest.raises(EventError, match=rf"line 1, column {5 * MOST + 4}: a comma before \"]\""):
        read(text[:-1] + b",[1,]]")


@pytest.mark.parametrize("text", [b"1,]" * 330_000, b"[" + b"[1,]," * 200_000 + b"1]", b'["",]' * 200_000])
def test_many_of_them_cost_next_to_nothing(text: bytes) -> None:
    began = time.process_time()
    without_trailing_commas(text)
    assert time.process_time() - began < 0.02
