"""The law the index is held to: whatever stands in it, it answers as each pattern alone does.

`pytest --hypothesis-profile=thorough tests/patterns/test_equivalence.py` shows it on 20,000 examples each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.events import Event
from router.patterns import EventError, Index, Pattern, parse, parse_rule, read
from router.patterns.operators import OPERATORS
from tests.patterns.rule_strategies import cloud_events, rules
from tests.patterns.strategies import (
    CONDITIONS,
    array_events,
    array_patterns,
    beside_each_other,
    crowds,
    events,
    patterns,
    quick_crowds,
    some,
)

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines()
]
VALID = [case for case in CASES if case["expect"] != "error"]

Asked = dict[str, Pattern]


Answer = list[str] | None
"""Names of patterns; None for an `EventError`."""


def plainly(asked: Asked, event: bytes | Event) -> Answer:
    """What the plain matcher says: every pattern alone."""
    try:
        fields = read(event)
        return [name for name, pattern in asked.items() if pattern.matches_fields(fields)]
    except EventError:
        return None


def by_index(index: Index[Any], event: bytes | Event) -> Answer:
    try:
        return [*index.match_event(event)] if isinstance(event, Event) else index.match(event)
    except EventError:
        return None


def check(asked: Asked, seen: Sequence[bytes | Event]) -> None:
    """Ask one index about several events in turn, and about all again: it may remember, but not mix up."""
    index = Index(asked)
    expected = [plainly(asked, event) for event in seen]
    for _ in range(2):
        assert [by_index(index, event) for event in seen] == expected


def named(several: list[Pattern]) -> Asked:
    return {f"r{number}": pattern for number, pattern in enumerate(several)}


def test_no_operator_is_left_out() -> None:
    assert {*OPERATORS} <= {*CONDITIONS}
    for written in (text for texts in CONDITIONS.values() for text in texts):
        parse(f'{{"a": [{written}]}}')  # none is refused


@given(beside_each_other(patterns, quick_crowds), st.lists(events, min_size=1, max_size=4))
def test_strict_patterns_and_events(written: list[str], seen: list[str]) -> None:
    check(named([parse(text) for text in written]), [event.encode() for event in seen])


@given(st.lists(array_patterns, min_size=1, max_size=6), st.lists(array_events, min_size=1, max_size=4))
def test_fields_that_match_in_the_same_elements(written: list[str], seen: list[str]) -> None:
    check(named([parse(text) for text in written]), [event.encode() for event in seen])


def of_payload(pattern: str) -> str:
    return f'{{"data": {pattern}}}'


@given(
    beside_each_other(
        rules | patterns.map(of_payload),
        quick_crowds.map(lambda several: [of_payload(text) for text in several]),
    ),
    st.lists(cloud_events, min_size=1, max_size=4),
)
def test_rules_and_cloudevents(written: list[dict[str, Any] | str], seen: list[Event]) -> None:
    check(named([parse(one) if isinstance(one, str) else parse_rule(one) for one in written]), seen)


@given(
    beside_each_other(some(VALID), crowds(VALID.__getitem__, len(VALID))), st.lists(some(VALID), max_size=3)
)
def test_cases_of_the_corpus_in_any_company(
    cases: list[dict[str, Any]], others: list[dict[str, Any]]
) -> None:
    asked = named([parse(case["pattern"]) for case in cases])
    index = Index(asked)
    for name, case in zip(asked, cases, strict=True):
        assert (name in index.match(case["event"].encode())) is case["expect"]
    for event in (case["event"].encode() for case in others):
        assert by_index(index, event) == plainly(asked, event)
