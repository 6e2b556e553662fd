"""A moderation sample of which one leaf is changed: the explanation of every shipped rule names that leaf."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from router import samples
from router.config.files import read_files
from router.config.report import Report
from router.events import Event
from router.main import SOURCES
from router.patterns import Pattern, explain
from router.patterns.conditions import Condition, Equals, EqualsIgnoreCase, Exact, Literal, Wildcard
from router.patterns.nodes import Field
from router.rules.load import load
from router.sources.base import Request
from router.targets.registry import installed_kinds

ROOT = Path(__file__).parents[2]
KINDS = ("Image", "Video")
ABSENT = object()


def shipped() -> dict[str, Pattern]:
    deployment = load(read_files([ROOT], Report()), installed_kinds(), {}, Report())
    assert deployment is not None
    return {rule.name: rule.pattern for rule in deployment.rules if rule.pattern is not None}


RULES = shipped()


def moderated(kind: str) -> Event:
    """The document's own sample, as it is read where it is sent to."""
    name = f"imm-Task-{kind}Moderation.json"
    sample = next(sample for sample in samples.load("alibaba") if sample.name == name)
    request = Request("POST", sample.path, "", {"content-type": sample.content_type}, sample.body, 0.0)
    (reading,) = SOURCES["alibaba"]().read(request).readings
    return reading.event


def put(event: Event, path: str, value: Any) -> Event:
    """The event with another value at a path, or without one."""
    attribute, _, key = path.partition(".")
    if attribute == "type":
        return msgspec.structs.replace(event, type=value)
    if attribute != "data":
        others = {name: said for name, said in event.extensions.items() if name != attribute}
        changed = others if value is ABSENT else others | {attribute: value}
        return msgspec.structs.replace(event, extensions=changed)
    payload = event.value()
    payload.pop(key, None)
    if value is not ABSENT:
        payload[key] = value
    return msgspec.structs.replace(event, data=json.dumps(payload).encode())


def said(event: Event, path: str) -> Any:
    """The value at a path; None where there is none."""
    attribute, _, key = path.partition(".")
    return event.value().get(key) if attribute == "data" else event.attributes().get(attribute)


def passing(condition: Condition) -> Any:
    """A value that meets a condition."""
    match condition:
        case Exact(text) | EqualsIgnoreCase(text):
            return text
        case Wildcard(parts):
            return "Some".join(parts)
        case Literal(value):
            return value
        case Equals(number):
            return json.loads(number.text)
    raise AssertionError(f"say which value meets {condition}")


class Change(NamedTuple):
    """Another value for a leaf, and what is to be said of it.

    Attributes:
        near: the near miss; None where the value that is found says it all.
    """

    value: Any
    near: str | None


def changes(field: Field, good: Any) -> Iterator[Change]:
    """What becomes of a good value: a near miss, something else, or nothing at all."""
    key = field.segments[-1]
    shown = json.dumps
    candidates = [Change("else", None)]
    if isinstance(good, str):
        cased, spaced = (good.upper(), good.lower(), good.swapcase()), (f"{good} ", f" {good}")
        candidates += [Change(text, f"{shown(text)} differs only in case") for text in cased]
        blank = "differs only in the white space around it"
        candidates += [Change(text, f"{shown(text)} {blank}") for text in spaced]
    else:
        kind = "a boolean" if isinstance(good, bool) else "a number"
        other = shown(good)
        candidates.append(Change(other, f"{shown(other)} is a string in the event, {kind} in the pattern"))
    if field.segments[0] == "data":
        instead = f"{field.path} is an object, with inner; conditions look at single values"
        candidates += [
            Change(7, None),
            Change(["else", 7], None),
            Change(None, None),
            Change({"inner": good}, instead),
            Change([], f"{field.path} is there, but empty"),
            Change(ABSENT, f"there is no {key} in data, …"),
        ]
    for change in candidates:
        if not (
            isinstance(change.value, str)
            and any(leaf.condition.matches(change.value) for leaf in field.leaves)
        ):
            yield change


class Leaf(NamedTuple):
    """A leaf of a shipped rule: a field of one of its branches."""

    rule: str
    branch: int
    field: Field

    def __str__(self) -> str:
        return f"{self.rule}-{self.branch}-{self.field.path}"

    def event(self, kind: str) -> Event:
        """The sample, made to match this branch and no other one."""
        event = moderated(kind)
        branches = RULES[self.rule].branches
        for field in (field for branch in branches for field in branch.fields if field.path != "type"):
            event = put(event, field.path, ABSENT)
        for field in branches[self.branch].fields:
            if not any(leaf.condition.matches(said(event, field.path)) for leaf in field.leaves):
                event = put(event, field.path, passing(field.leaves[0].condition))
        return event


LEAVES = [
    Leaf(rule, number, field)
    for rule, pattern in RULES.items()
    for number, branch in enumerate(pattern.branches)
    for field in branch.fields
]


def test_the_leaves_are_those_of_all_shipped_rules() -> None:
    assert {leaf.rule for leaf in LEAVES} == set(RULES)
    assert {leaf.field.path for leaf in LEAVES} >= {"type", "verdict", "data.Status", "data.Success"}
    assert len(LEAVES) >= 12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leaf", LEAVES, ids=str)
def test_exactly_the_leaf_that_was_changed_is_named(leaf: Leaf, kind: str) -> None:
    pattern, path = RULES[leaf.rule], leaf.field.path
    event = leaf.event(kind)
    assert explain(pattern, event).matched
    near_misses = 0
    good = said(event, path)
    for value, near in changes(leaf.field, good):
        explanation = explain(pattern, put(event, path, value))
        assert not explanation.matched
        (verdict,) = (verdict for verdict in explanation.branches[leaf.branch] if not verdict.matched)
        told = verdict.near and re.sub(r"(?<=in data, ).*", "…", verdict.near)  # its neighbours
        assert (verdict.path, verdict.condition, told) == (path, leaf.field.written, near)
        assert verdict.place == leaf.field.place
        leaves = [one for one in (value if isinstance(value, list) else [value]) if one is not ABSENT]
        assert verdict.found == tuple(json.dumps(one) for one in leaves if not isinstance(one, dict))
        if verdict.found:
            (nearest,) = explanation.failing
            assert (nearest.path, nearest.found, nearest.near) == (path, verdict.found, near)
            near_misses += near is not None
    assert near_misses >= (2 if isinstance(good, str) else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sample_as_it_is(kind: str) -> None:
    event = moderated(kind)
    told = {name: explain(pattern, event) for name, pattern in RULES.items()}
    assert [name for name, explanation in told.items() if explanation.matched] == ["everything-to-audit"]
    failing = {name: [str(one) for one in explanation.failing] for name, explanation in told.items()}
    assert failing["block-to-trust-and-safety"] == ['NO  verdict: "block"; found "pass"']
    assert failing["failed-tasks"] == ['NO  data.Status: {"equals-ignore-case": "failed"}; found "success"']
    assert failing["everything-to-audit"] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rule", "path", "value", "told"),
    [
        (
            "block-to-trust-and-safety",
            "verdict",
            "Block",
            '"block"; found "Block" (# differs only in case)',
        ),
        (
            "block-to-trust-and-safety",
            "verdict",
            "block ",
            '"block"; found "block " (# differs only in the white space around it)',
        ),
        (
            "failed-tasks",
            "data.Success",
            "false",
            'false; found "false" (# is a string in the event, a boolean in the pattern)',
        ),
        ("failed-tasks", "data.State", "failed", '"Failed"; found "failed" (# differs only in case)'),
    ],
)
def test_a_near_miss_in_the_sample_is_told(kind: str, rule: str, path: str, value: str, told: str) -> None:
    (verdict,) = explain(RULES[rule], put(moderated(kind), path, value)).failing
    told = told.replace("#", json.dumps(value))
    assert str(verdict) == f"NO  {path}: {told}"
