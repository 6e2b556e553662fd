"""Laws: only the two documented errors, whatever comes; the ways to ask agree; arrays by brute force."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event
from router.patterns import EventError, Pattern, PatternError, explain, parse, parse_rule, problems_of_rule
from router.patterns.conditions import Exists
from router.patterns.jsontext import from_python
from router.patterns.operators import RULE_OPERATORS
from router.patterns.values import Number

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines()
]
VALID = [case for case in CASES if case["expect"] != "error"]

texts = st.text(alphabet="aAbß*\\1.:/", max_size=4)
numbers = st.sampled_from([0, 1, -1, 1.5, 300, 1e20])
keys = st.sampled_from(["a", "b", "c", "a.b", "A", ""])

scalars = st.none() | st.booleans() | numbers | texts
wildcards = (
    st.lists(st.text(alphabet="ab1", max_size=2), min_size=1, max_size=3)
    .map("*".join)
    .filter(lambda text: "**" not in text)
)


def one(name: str, operands: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return operands.map(lambda operand: {name: operand})


affixes = texts | one("equals-ignore-case", texts)
filled = texts.filter(bool)
excluded = (
    texts
    | numbers
    | st.lists(texts, min_size=1, max_size=2)
    | one("prefix", filled)
    | one("suffix", st.lists(filled, min_size=1, max_size=2))
    | one("equals-ignore-case", texts)
    | one("wildcard", wildcards)
)
conditions = (
    scalars
    | one("exactly", texts)
    | one("prefix", affixes)
    | one("suffix", affixes)
    | one("equals-ignore-case", texts)
    | one("wildcard", wildcards)
    | one("numeric", st.tuples(st.sampled_from(["=", "<", "<=", ">", ">="]), numbers).map(list))
    | one("numeric", st.just([">", 0, "<=", 300]))
    | one("cidr", st.sampled_from(["10.0.0.0/8", "::/0"]))
    | one("exists", st.booleans())
    | one("anything-but", excluded)
)
leaves = st.lists(conditions, min_size=1, max_size=3)
plain_patterns = st.recursive(
    st.dictionaries(keys, leaves, min_size=1, max_size=3),
    lambda inner: st.dictionaries(keys, leaves | inner, min_size=1, max_size=3),
    max_leaves=4,
)
alternatives = st.lists(plain_patterns, min_size=2, max_size=3)
patterns = st.builds(
    lambda before, either, after: {**before, **({"$or": either} if either else {}), **after},
    plain_patterns,
    st.none() | alternatives,
    plain_patterns,
)
event_values = st.recursive(
    scalars | st.sampled_from(["10.1.2.3", "::1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
events = st.dictionaries(keys, event_values, max_size=4)
keys_twice = st.lists(st.tuples(keys, event_values), max_size=4).map(
    lambda members: "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in members) + "}"
)


@given(patterns, events)
def test_text_bytes_and_mapping_are_one(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    text = json.dumps(event)
    asked = parse(json.dumps(pattern))
    answers = {
        asked.matches(text),
        asked.matches(text.encode()),
        asked.matches(event),
        parse(pattern).matches(event),
        parse(json.dumps(pattern).encode()).matches(text),
    }
    assert len(answers) == 1


@given(patterns, events)
def test_the_yaml_form_says_what_the_strict_form_says(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    subject = Event(id="1", source="s", type="t", data=json.dumps(event).encode())
    assert parse_rule({"data": pattern}).matches_event(subject) is parse(pattern).matches(event)
    wrapped = {"id": "1", "data": event}
    assert parse_rule({"data": pattern, "id": "1"}).matches_event(subject) is parse(
        {"data": pattern, "id": ["1"]}
    ).matches(wrapped)


class Unsayable(Exception):  # noqa: N818 - no error
    """The YAML form reads the pattern differently."""


def as_yaml(pattern: str) -> Any:
    """A pattern as a YAML loader gives it."""

    def number(text: str) -> Decimal:
        """A Decimal keeps the value of every number, but not the spelling of what only its text can match."""
        if Number(text).value is None and str(Decimal(text)) != text:
            raise Unsayable
        return Decimal(text)

    def mapping(members: list[tuple[str, Any]]) -> dict[str, Any]:
        """Keys stand once, and `$or` is never a field."""
        fields = dict(members)
        if len(fields) < len(members) or not isinstance(fields.get("$or", []), list):
            raise Unsayable
        return fields

    return json.loads(pattern, parse_float=number, object_pairs_hook=mapping)


def test_the_yaml_form_answers_the_corpus() -> None:
    wrong, asked = [], 0
    for case in VALID:
        with contextlib.suppress(Unsayable):
            pattern = as_yaml(case["pattern"])
            if pattern in ({"$or": ["a", "b"]}, {"a": {"prefix": ["b"]}}):
                continue
            asked += 1
            event = Event(id="1", source="s", type="t", data=case["event"].encode())
            if parse_rule({"data": pattern}).matches_event(event) is not case["expect"]:
                wrong.append(case["id"])
    assert wrong == []
    assert asked > 8_500


@given(patterns, events | keys_twice)
def test_explain_says_what_matches_says(pattern: dict[str, Any], event: dict[str, Any] | str) -> None:
    check_explanation(parse(pattern), event)


@pytest.mark.parametrize("third", range(3))
def test_explain_says_what_the_corpus_says(third: int) -> None:
    for case in VALID[third::3]:
        assert check_explanation(parse(case["pattern"]), case["event"]) is case["expect"], case["id"]


def check_explanation(pattern: Pattern, event: dict[str, Any] | str | bytes) -> bool:
    explanation = explain(pattern, event)
    assert explanation.matched is pattern.matches(event)
    assert explanation.matched is any(all(leaf.matched for leaf in branch) for branch in explanation.branches)
    assert explanation.matched is (explanation.failing == ())
    assert [len(branch) for branch in explanation.branches] == [len(b.fields) for b in pattern.branches]
    assert all(leaf.near is None for leaf in explanation.verdicts if leaf.matched)
    str(explanation).encode()
    return explanation.matched


Tags = dict[int, int]


def leaves_of(value: Any, path: str, tags: Tags, arrays: list[int]) -> list[tuple[str, Any, Tags]]:
    """The leaves of an event with (array, index) of all that encloses them, the plain way."""
    if isinstance(value, dict):
        return [
            leaf
            for key, member in value.items()
            for leaf in leaves_of(member, f"{path}.{key}" if path else f"\0{key}", tags, arrays)
        ]
    if isinstance(value, list):
        arrays[0] += 1
        array = arrays[0]
        return [
            leaf
            for index, member in enumerate(value)
            for leaf in leaves_of(
                member, path, {**tags, array: index} if isinstance(member, list | dict) else tags, arrays
            )
        ]
    return [(path.removeprefix("\0"), value, tags)]


def agree(one: Tags, other: Tags) -> bool:
    return all(other.get(array, index) == index for array, index in one.items())


def by_brute_force(pattern: Pattern, event: dict[str, Any]) -> bool:
    """Every way to choose one value, or absence, for each field."""
    leaves = leaves_of(event, "", {}, [0])
    for branch in pattern.branches:
        ways: list[list[Tags | None]] = []
        for field in branch.fields:
            there = [tags for path, _, tags in leaves if path == field.path]
            held = [leaf.condition for leaf in field.leaves]
            way: list[Tags | None] = [
                tags for tags, met in zip(there, met_by(field.path, held, event), strict=True) if met
            ]
            if Exists(wanted=False) in held:
                way.append(None)
            ways.append(way)
        for choice in product(*ways):
            bound: Tags = {}
            for field, tags in zip(branch.fields, choice, strict=True):
                if tags is None:
                    if any(path == field.path and agree(other, bound) for path, _, other in leaves):
                        break
                elif agree(tags, bound):
                    bound |= tags
                else:
                    break
            else:
                return True
    return False


def met_by(path: str, held: list[Any], event: dict[str, Any]) -> list[bool]:
    """Which of a path's values meet one of its conditions."""
    values = [value for at, value, _ in leaves_of(event, "", {}, [0]) if at == path]
    return [any(condition.matches(from_python(value)) for condition in held) for value in values]


few = st.sampled_from([1, 2])
arrays = st.recursive(
    st.dictionaries(st.sampled_from("ab"), few, max_size=2),
    lambda inner: (
        st.lists(inner | few, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=10,
)
array_events = st.dictionaries(st.sampled_from("ab"), arrays, min_size=1, max_size=2)
asking = st.sampled_from([[1], [2], [1, 2], [{"exists": False}], [{"exists": False}, 1], [{"exists": True}]])
array_patterns = st.dictionaries(
    st.sampled_from(["a", "b", "a.a", "a.b", "b.a", "b.b", "a.a.a", "a.a.b", "a.b.a"]),
    asking,
    min_size=1,
    max_size=5,
)


@given(array_patterns, array_events)
def test_arrays_by_brute_force(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    asked = parse(pattern)
    assert asked.matches(event) is by_brute_force(asked, event)


mutations = st.builds(
    lambda text, at, length, new: text[: at % (len(text) + 1)] + new + text[at % (len(text) + 1) + length :],
    st.sampled_from(CASES).flatmap(lambda case: st.sampled_from([case["pattern"], case["event"]])),
    st.integers(0, 10_000),
    st.integers(0, 4),
    st.text(alphabet='{}[]",:\\*$u0e-.1 ntfab\n\0\ud800é', max_size=4),
)


def refusal(pattern: str | bytes) -> PatternError | None:
    try:
        parse(pattern)
    except PatternError as problem:
        return problem
    return None


@given(mutations | st.text() | st.binary())
def test_a_pattern_is_read_or_refused_with_its_place(pattern: str | bytes) -> None:
    problem = refusal(pattern)
    if problem is None:
        parse(pattern).matches("{}")
    else:
        assert problem.reason
        assert None not in {problem.line, problem.column}
        problem.message.encode()


@given(st.sampled_from(VALID), mutations | st.text() | st.binary())
def test_an_event_is_matched_or_refused(case: dict[str, Any], event: str | bytes) -> None:
    with contextlib.suppress(EventError):
        check_explanation(parse(case["pattern"]), event)


names = st.sampled_from(["type", "data", "$or", "Type", "x", *RULE_OPERATORS]) | texts
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(max_size=5) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
)


@given(json_like)
def test_a_rule_has_problems_or_a_pattern(mapping: Any) -> None:
    problems = problems_of_rule(mapping)
    if problems:
        with pytest.raises(PatternError) as refused:
            parse_rule(mapping)
        raised = [refused.value, *refused.value.others]
        assert [(one.reason, one.path) for one in raised] == [(one.reason, one.path) for one in problems]
    else:
        parse_rule(mapping).matches_event(Event(id="1", source="s", type="t", data=b'{"x": [1, "a"]}'))
