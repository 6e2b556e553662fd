"""The skeleton: paths, `$or`, what overrides what, and the places that parsed patterns remember."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.patterns import Pattern, parse, parse_rule
from router.patterns.nodes import Place


def branches(pattern: Pattern) -> list[dict[str, str]]:
    """Each branch as its paths and their conditions as written."""
    return [{field.path: field.written for field in branch.fields} for branch in pattern.branches]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{"a": [1]}', [{"a": "[1]"}]),
        ('{"a": {"b": [1e0]}, "c": ["é"]}', [{"a.b": "[1e0]", "c": '["é"]'}]),
        ('{"a.b": [1], "a": {"b": [2]}}', [{"a.b": "[2]"}]),
        ('{"a": {"b": [2]}, "a.b": [1]}', [{"a.b": "[1]"}]),
        ('{"a": [1], "a": [2]}', [{"a": "[2]"}]),
        ('{"": {"": [1]}}', [{".": "[1]"}]),
        ('{"$or": [{"a": [1]}, {"b": [2]}]}', [{"a": "[1]"}, {"b": "[2]"}]),
        ('{"c": [0], "$or": [{"a": [1]}, {"b": [2]}]}', [{"a": "[1]", "c": "[0]"}, {"b": "[2]", "c": "[0]"}]),
        ('{"$or": [{"a": [1]}, {"b": [2]}], "a": [0]}', [{"a": "[0]"}, {"a": "[0]", "b": "[2]"}]),
        ('{"a": [0], "$or": [{"a": [1]}, {"b": [2]}]}', [{"a": "[1]"}, {"a": "[0]", "b": "[2]"}]),
        ('{"x": {"$or": [{"a": [1]}, {"b": [2]}]}}', [{"x.a": "[1]"}, {"x.b": "[2]"}]),
        (
            '{"$or": [{"a": [1]}, {"$or": [{"b": [2]}, {"c": [3]}], "d": [4]}]}',
            [{"a": "[1]"}, {"b": "[2]", "d": "[4]"}, {"c": "[3]", "d": "[4]"}],
        ),
        (
            '{"x": {"$or": [{"a": [1]}, {"b": [2]}]}, "y": {"$or": [{"a": [3]}, {"b": [4]}]}}',
            [
                {"x.a": "[1]", "y.a": "[3]"},
                {"x.b": "[2]", "y.a": "[3]"},
                {"x.a": "[1]", "y.b": "[4]"},
                {"x.b": "[2]", "y.b": "[4]"},
            ],
        ),
        ('{"$or": {"a": [1]}}', [{"$or.a": "[1]"}]),
        ('{"x": {"$or": [1]}}', [{"x.$or": "[1]"}]),
    ],
)
def test_branches(pattern: str, expected: list[dict[str, str]]) -> None:
    assert branches(parse(pattern)) == expected


def test_paths_are_sorted_by_utf_16() -> None:
    (branch,) = parse({"b": [1], "a": {"b": [1], "a": [1]}, "\U0001f600": [1], "\uff5e": [1]}).branches
    assert [field.path for field in branch.fields] == ["a.a", "a.b", "b", "\U0001f600", "\uff5e"]


def test_every_condition_knows_its_place() -> None:
    pattern = parse('{"a": [1,\n  {"prefix": "x"}],\n "b": {"c": ["y"]}}')
    places = {leaf.written: leaf.place for field in pattern.branches[0].fields for leaf in field.leaves}
    assert places == {
        "1": Place(("a", 0), 1, 8),
        '{"prefix": "x"}': Place(("a", 1), 2, 3),
        '"y"': Place(("b", "c", 0), 3, 14),
    }


def test_a_rule_knows_the_way_to_every_condition() -> None:
    rule = parse_rule(
        {"type": "a*", "data": {"x": [1, {"prefix": "y"}]}, "$or": [{"id": "1"}, {"data.z": "2"}]}
    )
    assert [
        [
            (field.path, field.place.path, [leaf.place.path for leaf in field.leaves])
            for field in branch.fields
        ]
        for branch in rule.branches
    ] == [
        [
            ("data.x", ("data", "x"), [("data", "x", 0), ("data", "x", 1)]),
            ("id", ("$or", 0, "id"), [("$or", 0, "id")]),
            ("type", ("type",), [("type",)]),
        ],
        [
            ("data.x", ("data", "x"), [("data", "x", 0), ("data", "x", 1)]),
            ("data.z", ("$or", 1, "data.z"), [("$or", 1, "data.z")]),
            ("type", ("type",), [("type",)]),
        ],
    ]


def test_patterns_are_values() -> None:
    text = '{"a": [1, null, "10.0.0.1", {"anything-but": {"wildcard": ["*x", "y"]}}, {"cidr": "::/0"}]}'
    assert parse(text) == parse(text.encode())
    assert len({parse(text), parse(text), parse('{"a": [1]}')}) == 2


Grown = list[dict[str, str]]

leaf = st.integers(0, 9).map(lambda n: [n])
fields = st.dictionaries(st.sampled_from("abc"), leaf, min_size=1, max_size=2)


def with_or(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    either = st.lists(inner, min_size=2, max_size=2)
    return st.builds(
        lambda before, alternatives, after: {**before, "$or": alternatives, **after},
        st.dictionaries(st.sampled_from("abc"), leaf | inner, max_size=2),
        either,
        st.dictionaries(st.sampled_from("de"), leaf, max_size=1),
    )


@given(st.recursive(fields, with_or, max_leaves=6))
def test_or_is_the_union_of_its_alternatives(pattern: dict[str, Any]) -> None:
    """By rewriting: `$or` is the patterns with one alternative's members put in its place."""
    assert sorted(map(sorted_items, branches(parse(pattern)))) == sorted(
        map(sorted_items, map(flat, rewritten(pattern)))
    )


def rewritten(pattern: dict[str, Any]) -> list[list[tuple[str, Any]]]:
    """All patterns without `$or` that together mean the same, as members in the order they are written."""
    ways: list[list[tuple[str, Any]]] = [[]]
    for key, member in pattern.items():
        if key == "$or":
            added = [way for alternative in member for way in rewritten(alternative)]
        elif isinstance(member, dict):
            added = [[(f"{key}.{name}", held) for name, held in way] for way in rewritten(member)]
        else:
            added = [[(key, member)]]
        ways = [way + more for more in added for way in ways]
    return ways


def flat(members: list[tuple[str, Any]]) -> dict[str, str]:
    return {path: json.dumps(held) for path, held in members}


def sorted_items(branch: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(branch.items())
