"""What a refused pattern reads like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.errors import ConfigurationError
from router.patterns import PatternError, parse
from router.patterns.errors import written

GOLDENS = [
    json.loads(line)
    for line in (Path(__file__).parent / "refusals.jsonl").read_text(encoding="utf-8").splitlines()
]
"""`recorded`: EventBridge's own answer to this pattern, as others have recorded it; else event-ruler's
wording where it has one, at the place its parser would give."""


def refusal(pattern: object) -> PatternError:
    with pytest.raises(PatternError) as refused:
        parse(pattern)  # type: ignore[arg-type] # whatever it is, it must be refused
    assert isinstance(refused.value, ConfigurationError)
    return refused.value


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["pattern"])
def test_the_message_is_that_of_eventbridge(golden: dict[str, Any]) -> None:
    pattern, reason, column = golden["pattern"], golden["reason"], golden["column"]
    problem = refusal(pattern)
    assert problem.message == (
        f"Event pattern is not valid. Reason: {reason}\n"
        f' at [Source: (String)"{pattern}"; line: 1, column: {column}]'
    )
    assert (problem.reason, problem.line, problem.column) == (reason, 1, column)
    assert refusal(pattern.encode()).message == problem.message


def test_lines_are_counted() -> None:
    problem = refusal('{\n  "a": [\n    {"prefix": 1}\n  ]\n}')
    assert (problem.line, problem.column) == (3, 17)
    assert problem.path == ("a", 0, "prefix")


def test_a_long_pattern_is_quoted_in_part() -> None:
    pattern = '{"a": ["' + "x" * 600 + '"], "b": 1}'
    assert f'(String)"{pattern[:500]}"[truncated 119 chars]; line: 1' in refusal(pattern).message


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ({"a": [{"anything-but": {"prefix": ["x", ""]}}]}, ("a", 0, "anything-but", "prefix", 1)),
        ({"a": {"b": [{"numeric": [">", "1"]}]}}, ("a", "b", 0, "numeric", 1)),
        ({"$or": [{"a": [1]}, {"b": [{"exists": None}]}]}, ("$or", 1, "b", 0, "exists")),
        ({"a": [{"prefix": {"equals-ignore-case": 1}}]}, ("a", 0, "prefix", "equals-ignore-case")),
        ({"a": [{1: 2}]}, ("a", 0)),
        ({"a": [float("inf")]}, ("a", 0)),
    ],
)
def test_a_mapping_has_paths_instead(pattern: object, path: tuple[str | int, ...]) -> None:
    problem = refusal(pattern)
    assert problem.path == path
    assert (problem.line, problem.column) == (None, None)
    assert problem.message.endswith(f"\n at {written(path)}")


@pytest.mark.parametrize("pattern", [[], "x", 1, None, True])
def test_a_root_that_is_no_object(pattern: object) -> None:
    refusal(pattern)


def test_a_lone_surrogate_can_be_printed() -> None:
    message = refusal('{"a": [{"\\ud800": 1}]}').message
    assert "Unrecognized match type \\ud800" in message
    message.encode()


def test_a_pattern_has_at_most_4096_characters() -> None:
    parse('{"a": ["' + "x" * 4_085 + '"]}')
    assert "4,097 characters, where 4,096 are allowed" in refusal('{"a": ["' + "x" * 4_086 + '"]}').reason
    parse({"a": ["x" * 5_000]})


def test_a_branch_has_at_most_256_fields() -> None:
    fields = {f"f{number}": [1] for number in range(255)}
    parse({**fields, "g": [1]})
    assert "Too many fields: 257" in refusal({**fields, "g": [1], "h": [1]}).reason
    parse({**fields, "$or": [{"g": [1]}, {"h": [1]}]})


def test_alternatives_do_not_explode() -> None:
    pair = {"$or": [{"x": [1]}, {"y": [1]}]}
    assert len(parse({f"f{number}": pair for number in range(9)}).branches) == 512
    problem = refusal({f"f{number}": pair for number in range(60)})
    assert problem.reason == "$or gives more than 1,000 combinations"
    assert problem.hint == "make several rules of it"


@pytest.mark.parametrize(
    ("conditions", "accepted"),
    [
        ([{"wildcard": "*a*b*c*d*"}], True),
        ([{"wildcard": "*a*b*c*d*e*"}], False),
        ([{"anything-but": {"wildcard": ["*a*b*c*d*e*", "x"]}}], False),
        ([{"wildcard": r"*\*\*\*\*\*\*\*"}], True),
        ([{"wildcard": "*a*b*c*d*"}] * 20, True),
        ([{"wildcard": "*a*b*c*d*"}] * 20 + [{"wildcard": "*"}], False),
        ([{"anything-but": {"wildcard": ["*a*b*c*d*"] * 20 + ["*"]}}], False),
    ],
    ids=str,
)
def test_costly_wildcards(conditions: list[object], *, accepted: bool) -> None:
    if accepted:
        parse({"a": conditions})
    else:
        assert "Rule is too complex" in refusal({"a": conditions}).reason


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused_and_not_a_crash(opening: str) -> None:
    refusal(opening * 600)
    nested: object = [1]
    for _ in range(5_000):
        nested = {"a": nested}
    assert "nested too deeply" in refusal(nested).reason
