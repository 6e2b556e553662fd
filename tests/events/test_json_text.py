from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.events import EventError, json_text
from router.events.json_text import AROUND, MAX_DEPTH, fault, glance, is_json, place, read
from router.testing.strategies import json_texts


def refusal(text: bytes) -> str:
    with pytest.raises(EventError) as caught:
        read(text)
    assert not is_json(text)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "line 1, column 1: the text ends where a value should stand"),
        (b' {"a": 1', "line 1, column 9: the text ends where a comma or } should stand"),
        (b"[1,", "line 1, column 4: the text ends where a value should stand"),
        (b'{"a"', "line 1, column 5: the text ends where a colon should stand"),
        (b'{\n  "a": 1,\n}', 'line 2, column 9: a comma before "}", where JSON allows none'),
        (b"[1 ,\n ]", 'line 1, column 4: a comma before "]", where JSON allows none'),
        (b"[,]", "line 1, column 2: ',' where a value or ] should stand"),
        (b"[1,,2]", "line 1, column 4: ',' where a value should stand"),
        (b'{"a":,}', "line 1, column 6: ',' where a value should stand"),
        (b"{a: 1}", "line 1, column 2: 'a' where a key in double quotes or } should stand"),
        (b"{'a': 1}", "line 1, column 2: \"'\" where a key in double quotes or } should stand"),
        (b'{"a" 1}', "line 1, column 6: '1' where a colon should stand"),
        (b'{"a": 1]', "line 1, column 8: ']' where a comma or } should stand"),
        (b"[1}", "line 1, column 3: '}' where a comma or ] should stand"),
        (b"[1 2]", "line 1, column 4: '2' where a comma or ] should stand"),
        (b"{} {}", "line 1, column 4: '{' where the end of the text should stand"),
        (b"[True]", "line 1, column 2: 'True' where a value or ] should stand"),
        (b"[NaN]", "line 1, column 2: 'NaN' where a value or ] should stand"),
        (b"[01]", "line 1, column 2: '01' where a value or ] should stand"),
        (b"[1.]", "line 1, column 2: '1.' where a value or ] should stand"),
        (b'["abc', "line 1, column 2: a string that is never closed"),
        (b'["a\nb"]', "line 1, column 4: a control character (0x0a) inside a string; write it as an escape"),
        (b'["\\x"]', "line 1, column 3: a backslash that begins no JSON escape"),
        (b'["\\u12g4"]', "line 1, column 3: a backslash that begins no JSON escape"),
        (b'["\\ud800"]', "line 1, column 3: half a surrogate pair, which is no character"),
        (b'["\\udc00\\ud800"]', "line 1, column 3: half a surrogate pair, which is no character"),
        (b'["\xff"]', "line 1, column 3: bytes that are not UTF-8"),
        (b'["\xed\xa0\x80"]', "line 1, column 3: bytes that are not UTF-8"),
        (b"[1e999]", "line 1, column 2: a number too large to be read"),
        (b"[" + b"9" * 5000 + b"]", "line 1, column 2: a number too large to be read"),
        (b"x" * 5000, f"line 1, column 1: '{'x' * 100}…' where a value should stand"),
        (b"<xml/>", "line 1, column 1: '<' where a value should stand"),
    ],
)  # fmt: skip
def test_a_refusal_names_place_and_fault(text: bytes, message: str) -> None:
    assert refusal(text) == message


def test_a_byte_order_mark_is_called_by_its_name() -> None:
    message = "line 1, column 1: a byte order mark, which no JSON text begins with (RFC 8259, section 8.1)"
    assert refusal(b"\xef\xbb\xbf{}") == message


def test_columns_count_characters_not_bytes() -> None:
    assert refusal('["锄禾", x]'.encode()) == "line 1, column 8: 'x' where a value should stand"
    assert place("é\né!".encode(), 5) == "line 2, column 2"


def test_nesting_is_bounded_however_it_is_written() -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert is_json(deep)
    assert refusal(b"[" + deep + b"]") == "line 1, column 257: nested more than 256 deep"
    assert refusal(b'{"a":' + deep + b"}") == "line 1, column 261: nested more than 256 deep"
    assert refusal(b"[" * 1_000_000) == "line 1, column 257: nested more than 256 deep"


@given(
    st.integers(MAX_DEPTH - AROUND - 1, MAX_DEPTH + 2),
    st.integers(0, MAX_DEPTH),
    st.sampled_from([b"{}", b"[]", b"[0]"]),
    st.sampled_from([b"", b" " * 1_000]),
)
@example(MAX_DEPTH - AROUND + 1, MAX_DEPTH - AROUND, b"{}", b"")
def test_nesting_is_bounded_in_however_few_bytes(
    depth: int, objects: int, inmost: bytes, around: bytes
) -> None:
    objects = min(objects, depth - 1)
    arrays = depth - 1 - objects
    text = b'{"":' * objects + b"[" * arrays + inmost + b"]" * arrays + b"}" * objects + around
    assert is_json(text) == (depth <= MAX_DEPTH)
    assert (glance(text) is not None) == (depth <= MAX_DEPTH - AROUND)


def test_nesting_is_bounded_even_where_the_scanner_no_longer_looks() -> None:
    deep = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)
    assert refusal(b"[" + b"[]," * json_text._PATIENCE + deep + b"]") == "nested more than 256 deep"  # noqa: SLF001


def test_many_brackets_side_by_side_are_not_deep() -> None:
    wide = b"[" + b",".join([b"[[{}]]"] * 1000) + b"]"
    assert len(read(wide)) == 1000
    assert read(b'"' + b"[" * 1000 + b'"') == "[" * 1000


def test_a_fault_far_into_a_long_text_is_placed_too() -> None:
    message = refusal(b"[\n" + b"1,\n" * 50_000 + b"}]")
    assert message.startswith("near line 50002, column 1: ")


def test_a_text_cut_off_far_into_it_is_placed_at_its_end() -> None:
    assert refusal(b"[\n" + b"[],\n" * 50_000).startswith("near line 50002, column 1: ")


def test_integers_keep_every_digit() -> None:
    assert read(b"[6353842115261500790, -12345678901234567890123]") == [
        6353842115261500790,
        -12345678901234567890123,
    ]


def test_of_a_key_written_twice_the_last_value_counts() -> None:
    assert read(b'{"a": 1, "a": 2}') == {"a": 2}


@given(json_texts)
def test_what_the_reader_reads_the_scanner_finds_no_fault_in(text: bytes) -> None:
    assert fault(text) is None
    assert read(text) == json.loads(text)


@given(json_texts, st.data())
def test_reader_and_scanner_agree_on_damaged_texts(text: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    text = text[:at] + data.draw(st.binary(max_size=2)) + text[at + 1 :]
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        assert refusal(text).startswith("line ")
    else:
        assert fault(text) is None


@given(st.binary(max_size=40))
def test_random_bytes_are_read_or_refused_with_a_place(text: bytes) -> None:
    found = fault(text)
    if found is None:
        read(text)
    else:
        assert refusal(text) == found
        assert found.startswith("line ")


def test_the_scanner_gives_up_in_time_on_a_text_without_end() -> None:
    endless = b"[" + b"1," * (json_text._PATIENCE * 2) + b"1]"  # noqa: SLF001 (its bound is what is shown)
    assert fault(endless) is None
