"""JMESPath: what is wrong with it is known at load."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.expressions import EvaluationError, ExpressionError, compile_expression


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("", "an expression is missing", 0),
        ("  ", "an expression is missing", 0),
        ("data.", "the expression ends too early", 5),
        ("length(data.x > `0`", "the expression ends too early", 19),
        ("data.x[", "the expression ends too early", 7),
        ("data..x", "'.' cannot stand here", 5),
        ("data x", "'x' cannot stand here", 5),
        ("data = `1`", "unknown token '='", 5),
        ("data.x == 'y", "unclosed ' delimiter", 10),
        ("data.#", "unknown token #", 5),
        ("x == `foo`", "between backticks stands JSON, and this is none", 5),
        ("x && lenght(data.x)", "there is no function lenght()", 5),
        ("length()", "length() takes 1 argument, here are 0", 0),
        ("contains(data.x)", "contains() takes 2 arguments, here are 1", 0),
        ("merge()", "merge() takes at least 1 argument, here are 0", 0),
        ("a[?length(@, @) > `1`]", "length() takes 1 argument, here are 2", 3),
        ("(" * 10_000 + "a", "the expression is nested too deeply", 0),
        ("a[" + "9" * 19 + ":" + "x", "'x' cannot stand here", 22),
    ],
)
def test_faults_have_a_reason_and_a_place(text: str, message: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile_expression(text)
    assert (refused.value.message, refused.value.offset) == (message, offset)


def test_a_long_chain_is_read_whole() -> None:
    chain = " || ".join(["a"] * 3000)
    compile_expression(chain)
    with pytest.raises(ExpressionError, match=r"there is no function b\(\)"):
        compile_expression(f"{chain} || b(a)")


def test_what_python_cannot_count_is_refused() -> None:
    with pytest.raises(ExpressionError, match="digits"):
        compile_expression(f"a[{'9' * 5000}]")


def test_hints() -> None:
    for text, hint in {
        "lenght(x)": "did you mean 'length'?",
        "`x`": "write a text as 'text'",
        "data.x > 5": "a number stands between backticks: `5`",
        "data.x > -1.5": "a number stands between backticks: `-1.5`",
        "a and b": "write && for and",
        "a OR b": "write || for OR",
        "not a": "write ! for not",
        "a == 'x' && not (b)": "write ! for not",
        "x = 'y'": "write == to compare",
        "'a' in b": "write contains(list, value) for in",
        "$.data.x": "leave $. out: names begin at the event, as in data.x",
        "a | replace('b', 'c')": "what stands before the | goes into its brackets: replace(value, …)",
        "a || replace('b', 'c')": "",
        "a android b": "",
        "a b": "",
    }.items():
        with pytest.raises(ExpressionError) as refused:
            compile_expression(text)
        assert refused.value.hint == hint, text


def test_the_tree_is_there_to_be_looked_at() -> None:
    assert compile_expression("data.x").tree["type"] == "subexpression"


VIEW = {"type": "t", "zero": 0, "no": False, "empty": [], "text": "", "none": None, "object": {}, "list": [0]}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("type == 't'", True), ("zero", True), ("list", True), ("no", False), ("empty", False),
        ("text", False),
        ("none", False), ("object", False), ("gone.deep[0]", False), ("list[0] < `1`", True), ("!no", True),
    ],
)  # fmt: skip
def test_what_holds(text: str, holds: bool) -> None:
    assert compile_expression(text).holds(VIEW) is holds


@pytest.mark.parametrize(
    "text", ["length(none)", "sum(list[].x)", "max_by([`1`], &@.x)", "list[::0]", "abs('x')"]
)
def test_failing_on_an_event_is_the_events_fault(text: str) -> None:
    expression = compile_expression(text)
    with pytest.raises(EvaluationError) as failed:
        expression.search({"none": None, "list": [{"x": "a"}], "zero": 0})
    assert repr(text) in failed.value.message


@given(st.text("abc.[]()*&|!<>=`'\"\\,:{}@?# 0-9\n", max_size=20))
def test_no_text_fails_in_another_way(text: str) -> None:
    offset = 0
    with suppress(EvaluationError):
        try:
            compile_expression(text).search({"a": [1, "x", None], "b": {"c": True}})
        except ExpressionError as refused:
            offset = refused.offset
    assert 0 <= offset <= len(text)
