"""Runs the tests that rules carry: does the rule match, and can it make the bodies it then sends?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from router.errors import MessageError
from router.events import Event
from router.events.json_format import decode
from router.events.model import SPEC_ATTRIBUTES
from router.patterns import Pattern, Verdict, explain
from router.rules.model import Deployment, Rule, RuleTest, Seen, ignore
from router.transforms import canonical_json

LEFT_OUT = {"specversion": "1.0", "id": "test", "source": "test", "type": "test"}
"""What an event in a test may leave out, and has then."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test.

    Attributes:
        why: why it failed; None if it passed.
    """

    rule: Rule
    test: RuleTest
    why: str | None

    @property
    def passed(self) -> bool:
        """Whether the rule did what its test expects."""
        return self.why is None


def event_of(written: Mapping[str, Any]) -> Event:
    """The event that a test writes down: attributes at the top, the payload under `data`.

    Raises:
        router.events.EventError: it is no CloudEvent; the message names the member at fault.
    """
    members = {**LEFT_OUT, **written}
    for name in SPEC_ATTRIBUTES:
        if isinstance(value := members.get(name), int | float | Decimal):
            members[name] = str(value)  # `specversion: 1.0` is a number in YAML, and meant as a text
    return decode(canonical_json(members))


def shown(value: Any) -> str:
    """An expression's value as JSON; what is none (`&x`), by its type's name."""
    try:
        return canonical_json(value).decode()
    except (TypeError, ValueError):
        return type(value).__name__


def run_tests(deployment: Deployment) -> Iterator[Result]:
    """Run the tests of all rules, in order. A backstop is asked only when no other rule matches, as ever."""
    for rule in deployment.rules:
        for test in rule.tests:
            yield Result(rule, test, _why_failed(deployment, rule, test))


def _why_failed(deployment: Deployment, rule: Rule, test: RuleTest) -> str | None:
    wanted = test.expect == "match"
    matching = deployment.matching(test.event)
    if (rule in matching) is wanted:
        return _failing_bodies(rule, test.event) if wanted else None
    if not wanted:
        return "expected no-match, but the rule matches"
    seen = Seen(test.event)
    if rule.backstop and rule.matches(seen, ignore):
        return f"expected match, but the backstop is not asked: {matching[0].name!r} matches already"
    if rule.pattern is not None and (failing := _failing(rule.pattern, test.event)):
        return f"expected match, but {failing}"
    return f"expected match, but {_where_said(rule, seen)}"


def _failing_bodies(rule: Rule, event: Event) -> str | None:
    """The transforms that fail on the event: in production each of them is a dead letter."""
    failed = []
    for way in rule.routes:
        try:
            if way.transform is not None:
                way.transform.render(event)
        except MessageError as error:
            failed.append(f"the body for {way.target!r} cannot be made: {error.message}")
    return f"the rule matches, but {' and '.join(failed)}" if failed else None


def _failing(pattern: Pattern, event: Event) -> str:
    """The conditions that fail, each with what the event has there; "" if the pattern matches."""
    explanation = explain(pattern, event)
    if explanation.matched:
        return ""
    return " and ".join(_told(verdict) for verdict in explanation.failing)


def _told(verdict: Verdict) -> str:
    found = f"it is {', '.join(verdict.found)}" if verdict.found else "it is missing"
    return f"{verdict.path} does not meet {verdict.condition} ({verdict.near or found})"


def _where_said(rule: Rule, seen: Seen) -> str:
    assert rule.where is not None
    try:
        value = rule.where.search(seen.view)
    except MessageError as error:
        return error.message
    return f"where gives {shown(value)}"
