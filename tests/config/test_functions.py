"""The functions that JMESPath has not."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config import exact
from router.config.expressions import EvaluationError, ExpressionError, compile_expression

VIEW: dict[str, Any] = {
    "time": "2026-11-22T23:30:00.123456789+08:00",
    "none": None,
    "data": exact.decode(
        b'{"name": " Ada ", "big": 0.1234567890123456789, "n": [1, "x"], "seconds": 1767323045}'
    ),
}


def value(text: str) -> Any:
    return compile_expression(text).search(VIEW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("default(data.gone, 'x')", "x"),
        ("default(none, `[1]`)", [1]),
        ("default(data.name, 'x')", " Ada "),
        ("default('', 'x')", ""),
        ("default(`false`, 'x')", False),
        ("format_date(time, '%Y-%m-%d %H:%M:%S')", "2026-11-22 15:30:00"),
        ("format_date(time, '%d.%m.%Y', 'Asia/Shanghai')", "22.11.2026"),
        ("format_date(time, '%H %z', 'America/New_York')", "10 -0500"),
        ("format_date(data.seconds, '%d.%m.%y, 100%%')", "02.01.26, 100%"),
        ("format_date('2026-01-02t03:04:05z', '%H')", "03"),
        ("format_date('2026-01-02 03:04:05', '%H')", "03"),
        ("format_date(data.gone, '%H')", None),
        ("default(format_date(data.gone, '%H', 'UTC'), '-')", "-"),
        ("upper(data.name)", " ADA "),
        ("lower('ÄB')", "äb"),
        ("trim(data.name)", "Ada"),
        ("replace(trim(data.name), 'A', 'I')", "Ida"),
        ("replace(data.gone, 'A', 'I')", None),
        ("upper(none)", None),
        ("lower(none)", None),
        ("trim(none)", None),
        ("to_json(data.n)", '[1,"x"]'),
        ("to_json('ä\"')", '"ä\\""'),
        ("to_json(data.gone)", "null"),
        ("to_json(data.big)", "0.1234567890123456789"),
        ("to_string(data.big)", "0.1234567890123456789"),
        ("to_string('x')", "x"),
    ],
)
def test_what_they_give(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "offset", "hint"),
    [
        ("default(a)", "default() takes 2 arguments, here are 1", 0, ""),
        ("x && format_date(a)", "format_date() takes 2 or 3 arguments, here are 1", 5, ""),
        ("format_date(a, '%d', 'UTC', 'x')", "format_date() takes 2 or 3 arguments, here are 4", 0, ""),
        ("format_date(a, b)", "format_date() wants its format written out", 0, "single quotes"),
        ("format_date(a, '%d', zone)", "format_date() wants its zone written out", 0, "single quotes"),
        ("format_date(a, `5`)", "format_date() wants its format written out", 0, "single quotes"),
        ("format_date(a, '%d %Q')", "no date has %Q", 0, "day %d"),
        ("format_date(a, '%d %')", "no date has %", 0, "day %d"),
        ("format_date(a, '%999999999d')", "no date has %9", 0, "day %d"),
        ("format_date(a, '%d', 'Asia/Shangai')", "there is no time zone 'Asia/Shangai' on this machine", 0,
         "did you mean 'Asia/Shanghai'?"),
        ("format_date(a, '%d', '../../etc')", "there is no time zone '../../etc'", 0, "name one as"),
        ("defualt(a, b)", "there is no function defualt()", 0, "did you mean 'default'?"),
    ],
)  # fmt: skip
def test_calls_that_are_refused(text: str, message: str, offset: int, hint: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile_expression(text)
    assert refused.value.message.startswith(message)
    assert refused.value.offset == offset
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    "text",
    ["format_date('soon', '%d')", "format_date(`1e300`, '%d')", "upper(`1`)", "replace('a', none, 'b')"],
)
def test_what_they_cannot_take_fails_as_ever(text: str) -> None:
    with pytest.raises(EvaluationError, match="failed"):
        value(text)


MANY = ["a"] * 15_000


@pytest.mark.parametrize(
    ("text", "data", "said"),
    [
        ("join(data.s, data.l)", {"s": "y" * 40_000, "l": MANY}, "join() would make 599920000 characters"),
        ("replace(data.s, 'x', data.t)", {"s": "x" * 50_000, "t": "y" * 50_000}, "replace() would make"),
        ("replace(data.s, '', data.s)", {"s": "x" * 50_000}, "replace() would make 2500000000 characters"),
        ("data[*].join(s, l)", [{"s": "y" * 3_000, "l": MANY[:1_000]}] * 9, "join() would make 2994000"),
    ],
)
def test_no_event_makes_them_fill_the_memory(text: str, data: Any, said: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(EvaluationError) as failed:
            compile_expression(text).search({"data": data})
        assert tracemalloc.get_traced_memory()[1] < 45_000_000
    finally:
        tracemalloc.stop()
    assert said in failed.value.message
    assert "at most 10000000 in one expression" in failed.value.message


def test_each_evaluation_has_the_bound_for_itself_and_a_long_text_is_none() -> None:
    texts = {"s": "y" * 500, "l": MANY}
    for _ in range(3):
        assert len(compile_expression("join(data.s, data.l)").search({"data": texts})) == 7_514_500
    long = ["z" * 2_000_000] * 6
    assert len(compile_expression("join('', data)").search({"data": long})) == 12_000_000
    assert compile_expression("replace(@, 'z', 'y')").search(long[0] * 6) == "y" * 12_000_000


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=6,
)


@given(VALUES)
def test_json_text_is_read_back_as_the_value(held: Any) -> None:
    found = compile_expression("to_json(data)").search({"data": held})
    assert msgspec.json.decode(found) == held


@given(TEXTS, st.lists(TEXTS))
def test_join_is_jmespaths(between: str, texts: list[str]) -> None:
    view = {"between": between, "texts": texts}
    assert compile_expression("join(between, texts)").search(view) == between.join(texts)


@given(TEXTS, TEXTS, TEXTS)
def test_replace_is_pythons(text: str, old: str, new: str) -> None:
    view = {"text": text, "old": old, "new": new}
    assert compile_expression("replace(text, old, new)").search(view) == text.replace(old, new)
