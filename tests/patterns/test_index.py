"""The index against the plain matcher: the same answers, whatever patterns stand beside each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.events import Event
from router.patterns import EventError, Index, Pattern, PatternError, parse, parse_rule
from tests.patterns.test_laws import array_events, array_patterns, events, keys_twice, mutations, patterns

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines()
]


def valid() -> dict[str, Pattern]:
    """The valid patterns of all cases, by the case's number."""
    found = {}
    for case in CASES:
        try:
            found[str(case["id"])] = parse(case["pattern"])
        except PatternError:
            assert case["expect"] == "error"
    return found


VALID = valid()


def answer(index: Index, event: bytes, name: str) -> Any:
    try:
        return name in index.match(event)
    except EventError:
        return "error"


def test_every_case_alone() -> None:
    wrong = [
        case["id"]
        for case in CASES
        if (name := str(case["id"])) in VALID
        and answer(Index({name: VALID[name]}), case["event"].encode(), name) != case["expect"]
    ]
    assert wrong == []


def test_every_case_among_all_others() -> None:
    index = Index(VALID)
    wrong = [
        case["id"]
        for case in CASES
        if (name := str(case["id"])) in VALID
        and answer(index, case["event"].encode(), name) != case["expect"]
    ]
    assert wrong == []


def test_what_matches_is_told_in_the_order_of_insertion() -> None:
    text = '{"a": ["x"]}'
    names = ["c", "a", "d", "b"]
    assert Index({name: parse(text) for name in names}).match(b'{"a": "x"}') == names


Written = dict[str, Any]

some = st.lists(patterns | array_patterns, min_size=1, max_size=20)
texts = events.map(json.dumps) | keys_twice | array_events.map(json.dumps)


def plainly(asked: dict[str, Pattern], event: Any) -> list[str]:
    """What the plain matcher says."""
    return [name for name, pattern in asked.items() if pattern.matches(event)]


@given(some, st.lists(texts, min_size=1, max_size=4))
def test_it_gives_the_plain_matchers_answers(written: list[Written], seen: list[str]) -> None:
    asked = {str(number): parse(pattern) for number, pattern in enumerate(written)}
    index = Index(asked)
    for event in seen:  # several: what is remembered of one must not answer for another
        assert index.match(event.encode()) == plainly(asked, event)


@given(some, texts)
def test_of_a_cloudevent_too(written: list[Written], payload: str) -> None:
    event = Event(id="1", source="s", type="t", extensions={"a": "x"}, data=payload.encode())
    asked = {str(number): parse_rule({"data": pattern}) for number, pattern in enumerate(written)}
    asked["attributes"] = parse_rule({"type": "t*", "a": ["x", "y"]})
    assert Index(asked).match_event(event) == [
        name for name, pattern in asked.items() if pattern.matches_event(event)
    ]


@given(
    some, st.binary() | st.text().map(str.encode) | mutations.map(lambda text: text.encode(errors="ignore"))
)
def test_what_is_no_event_is_refused_where_the_plain_matcher_refuses_it(
    written: list[Written], event: bytes
) -> None:
    asked = {str(number): parse(pattern) for number, pattern in enumerate(written)}
    expected: list[str] | None
    try:
        expected = plainly(asked, event)
    except EventError:
        expected = None
    try:
        found: list[str] | None = Index(asked).match(event)
    except EventError:
        found = None
    assert found == expected
