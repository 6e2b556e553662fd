"""Every case of the corpus: what Amazon's own engine answers, the plain matcher answers."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from router.patterns import EventError, PatternError, parse, read

CASES: dict[str, list[dict[str, Any]]] = defaultdict(list)
for line in (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines():
    case = json.loads(line)
    CASES[case["op"]].append(case)


def answer(pattern: str | bytes, event: str | bytes) -> bool | str:
    try:
        return parse(pattern).matches(event)
    except (PatternError, EventError):
        return "error"


def test_the_corpus_is_whole() -> None:
    assert sum(map(len, CASES.values())) == 9_366


@pytest.mark.parametrize("operator", CASES)
def test_text(operator: str) -> None:
    wrong = [
        case["id"] for case in CASES[operator] if answer(case["pattern"], case["event"]) != case["expect"]
    ]
    assert wrong == []


@pytest.mark.parametrize("operator", CASES)
def test_bytes(operator: str) -> None:
    wrong = [
        case["id"]
        for case in CASES[operator]
        if answer(case["pattern"].encode(), case["event"].encode()) != case["expect"]
    ]
    assert wrong == []


@pytest.mark.parametrize("operator", CASES)
def test_an_event_read_once_answers_every_pattern(operator: str) -> None:
    by_event = defaultdict(list)
    for case in CASES[operator]:
        if case["expect"] != "error":
            by_event[case["event"]].append(case)
    for event, cases in by_event.items():
        fields = read(event)
        wrong = [
            case["id"] for case in cases if parse(case["pattern"]).matches_fields(fields) != case["expect"]
        ]
        assert wrong == []
