"""Values of all fields in consistent array elements: the law by brute force, and events that mean harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.patterns import EventError, Index, Pattern, parse, read
from router.patterns.conditions import Exists
from router.patterns.consistency import consistent
from router.patterns.jsontext import from_python
from router.patterns.match import MOST_STEPS, matches
from router.patterns.regions import Survey

Tags = frozenset[tuple[int, int]]
"""(array, index) of all elements around a value."""


class Members(list[tuple[str, Any]]):
    """An object whose keys may be written more than once."""


def text_of(value: Any) -> str:
    if isinstance(value, Members):
        return "{" + ", ".join(f"{json.dumps(key)}: {text_of(member)}" for key, member in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    return json.dumps(value)


def leaves_of(value: Any, path: tuple[str, ...], tags: Tags) -> Iterator[tuple[tuple[str, ...], Any, Tags]]:
    """Every leaf with its path and tags, straight from the definition."""
    if isinstance(value, Members):
        for key, member in value:
            yield from leaves_of(member, (*path, *key.split(".")), tags)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            inside = tags | {(id(value), index)} if isinstance(member, list) else tags
            yield from leaves_of(member, path, inside)
    else:
        yield path, value, tags


def agree(one: Tags, other: Tags) -> bool:
    chosen = dict(one)
    return all(chosen.get(array, index) == index for array, index in other)


def by_definition(pattern: Pattern, event: Members) -> bool:
    """Every way to choose a value, or absence, for each field."""
    leaves = [*leaves_of(event, (), frozenset())]
    for branch in pattern.branches:
        there = [[(value, tags) for path, value, tags in leaves if path == f.segments] for f in branch.fields]
        ways: list[list[Tags | None]] = []
        for field, values in zip(branch.fields, there, strict=True):
            conditions = [leaf.condition for leaf in field.leaves]
            met = {tags for v, tags in values if any(one.matches(from_python(v)) for one in conditions)}
            ways.append([*met, *([None] if Exists(wanted=False) in conditions else [])])
        if any(
            stands(choice, [[tags for _, tags in values] for values in there]) for choice in product(*ways)
        ):
            return True
    return False


def stands(choice: tuple[Tags | None, ...], there: list[list[Tags]]) -> bool:
    bound: Tags = frozenset()
    for tags, others in zip(choice, there, strict=True):
        if tags is None:
            if any(agree(bound, other) for other in others):
                return False
        elif agree(bound, tags):
            bound |= tags
        else:
            return False
    return True


HERE = '[{"k": 1}, {"z": 1}]'
DEEPER = f'[{{"y": {{"k": 1}}, "y": {HERE}}}, {{"y": [{{"z": 1}}, {{"w": 1}}]}}]'


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (f'{{"a": {HERE}}}', True),
        (f'{{"a": {HERE}, "a": {HERE}}}', False),
        (f'{{"a": {HERE}, "a": [{{"k": 1}}]}}', True),
        (f'{{"a": {{"k": 1}}, "a": {HERE}}}', True),
        (f'{{"a": {{"k": 1}}, "a": {HERE}, "a": {HERE}}}', False),
        ('{"a": {"k": 1}, "a": [{"y": 1, "k": 1}, {"z": 1}], "a": [{"j": 1}, {"z": 1}]}', False),
    ],
)
def test_a_field_shuts_out_elements_of_one_array_only(event: str, *, expected: bool) -> None:
    """It has one value, even where others would do as well; so an absence needs as many fields as arrays."""
    assert parse({"a": {"k": [1], "z": [{"exists": False}]}}).matches(event) is expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (f'{{"x": {DEEPER}}}', True),
        (f'{{"x": {DEEPER}, "x": {DEEPER}}}', False),
        (f'{{"x": {DEEPER}, "x": [{{"y": [{{"j": 1}}, {{"z": 1}}]}}, {{"y": {{"z": 1}}}}]}}', True),
    ],
)
def test_nor_of_several_further_in(event: str, *, expected: bool) -> None:
    pattern = parse({"x": {"y": {"j": [1, {"exists": False}], "k": [1], "z": [{"exists": False}]}}})
    assert pattern.matches(event) is expected


fields = st.sampled_from("pqrs")
numbers = st.sampled_from([1, 1, 2])
scalars = st.lists(st.tuples(fields, numbers), max_size=3).map(Members)


def nested(depth: int) -> st.SearchStrategy[Members]:
    """Objects with fields, and with arrays of such objects: under keys that repeat, with dots, in arrays."""
    if not depth:
        return scalars
    inner = nested(depth - 1)
    arrays = st.lists(inner | numbers | st.lists(inner, max_size=2), max_size=3) | inner
    keys = st.sampled_from(["x", "x", "y", "x.y"])
    return st.builds(
        lambda some, others: Members([*some, *others]),
        scalars,
        st.lists(st.tuples(keys, arrays), min_size=1, max_size=3),
    )


events = st.integers(1, 3).flatmap(nested)
paths = st.builds(
    lambda way, last: ".".join([*way, last]), st.lists(st.sampled_from("xxy"), max_size=3), fields
)
asked = st.sampled_from(
    [[1], [1], [2], [{"exists": False}], [{"exists": False}, 1], [{"exists": False}, 2], [{"exists": True}]]
)
patterns = st.dictionaries(paths, asked, min_size=2, max_size=5)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(patterns, events)
def test_the_definition(pattern: dict[str, Any], event: Members) -> None:
    asking = parse(pattern)
    text = text_of(event)
    expected = by_definition(asking, event)
    assert asking.matches(text) is expected
    assert Index({"it": asking}).match(text.encode()) == ["it"] * expected


@pytest.mark.parametrize("seed", range(20))
def test_the_definition_where_much_nearly_matches(seed: int) -> None:
    """Elements that have most of what is asked, in arrays of which every second key is written twice."""
    random = Random(seed)

    def element() -> Members:
        return Members([(name, random.choice([1, 1, 1, 2])) for name in "pqrs" if random.random() < 0.6])

    answers = set()
    for _ in range(60):
        event = Members()
        for key in random.choice(["x", "xx", "xy", "xxy"]):
            inner = [Members([*element(), ("y", [element(), element()])]) for _ in range(2)]
            event.append((key, [*inner, element()]))
        absent = random.choice([[{"exists": False}], [{"exists": False}, 1], [1]])
        names = random.sample(["x.p", "x.q", "x.r", "x.y.p", "x.y.q", "x.y.r", "y.p", "y.y.q"], 4)
        pattern = parse({name: random.choice([[1], [1], absent]) for name in names})
        answer = pattern.matches(text_of(event))
        assert answer is by_definition(pattern, event)
        answers.add(answer)
    assert answers == {True, False}


Says = Callable[[int, int, int, int], object]

TWENTY = range(20)
TWELVE = range(12)


def innermost(says: Says) -> dict[str, Any]:
    """12 fields in each element of the innermost of three nested arrays of 20 elements."""
    return {
        "a": [
            {"b": [{"c": [{f"f{n:02}": says(n, i, j, k) for n in TWELVE} for k in TWENTY]} for j in TWENTY]}
            for i in TWENTY
        ]
    }


def at_every_depth(says: Says) -> dict[str, Any]:
    """Four of the fields in each element of each of the three arrays."""
    return {
        "a": [
            {f"f{n:02}": says(n, i, 0, 0) for n in range(4)}
            | {
                "b": [
                    {f"f{n:02}": says(n, i, j, 0) for n in range(4, 8)}
                    | {"c": [{f"f{n:02}": says(n, i, j, k) for n in range(8, 12)} for k in TWENTY]}
                    for j in TWENTY
                ]
            }
            for i in TWENTY
        ]
    }


def side_by_side(says: Says) -> dict[str, Any]:
    """Four of the fields in each of three arrays that stand in every element of a fourth."""
    return {
        "a": [
            {
                name: [{f"f{n:02}": says(n, i, j, k) for n in range(4 * j, 4 * j + 4)} for k in TWENTY]
                for j, name in enumerate("bcd")
            }
            for i in TWENTY
        ]
    }


DEEP = {"a": {"b": {"c": {f"f{n:02}": [True] for n in TWELVE}}}}
SPREAD = {
    "a": {f"f{n:02}": [True] for n in range(4)}
    | {"b": {f"f{n:02}": [True] for n in range(4, 8)} | {"c": {f"f{n:02}": [True] for n in range(8, 12)}}}
}
BESIDE = {"a": {name: {f"f{n:02}": [True] for n in range(4 * j, 4 * j + 4)} for j, name in enumerate("bcd")}}
ABSENT = {"a": {"b": {"c": {f"f{n:02}": [{"exists": False}, 7] if n else [True] for n in TWELVE}}}}
EITHER = {"$or": [DEEP, SPREAD, BESIDE, {**DEEP, "z": [{"exists": False}]}]}


@pytest.mark.parametrize(
    ("pattern", "shape", "says"),
    [
        (DEEP, innermost, lambda n, i, j, k: (i + j + k) % 12 != n),
        (DEEP, innermost, lambda n, i, j, k: (i + j + k) % 12 == n),
        (DEEP, innermost, lambda n, i, j, k: (i * 31 + j * 17 + k * 7 + n) % 5 > 0),
        (SPREAD, at_every_depth, lambda n, i, j, k: n < 8 or k % 4 != n - 8),
        (SPREAD, at_every_depth, lambda n, i, j, k: not 4 <= n < 8 or j % 4 != n - 4),
        (SPREAD, at_every_depth, lambda n, i, j, k: n >= 4 or i % 4 != n),
        (BESIDE, side_by_side, lambda n, i, j, k: k % 4 != n % 4 or (j < 2 and k % 5 == 0)),
        (ABSENT, innermost, lambda n, i, j, k: True if n == 0 or n != (i + j + k) % 12 else 7),
        (EITHER, innermost, lambda n, i, j, k: (i + j + k) % 12 != n),
    ],
    ids=[
        "all but one",
        "one",
        "most",
        "inner",
        "middle",
        "outer",
        "side by side",
        "absence",
        "$or",
    ],
)
def test_no_event_of_8_000_elements_takes_a_step(
    pattern: dict[str, Any], shape: Callable[[Says], dict[str, Any]], says: Says
) -> None:
    """No consistent choice, and no bound that a sender could reach."""
    asking = parse(pattern)
    text = json.dumps(shape(says))
    assert asking.matches(text) is False
    assert Index({"it": asking}).match(text.encode()) == []
    fields = read(text)
    assert not any(consistent(Survey(branch, fields), most=0) for branch in asking.branches)


@pytest.mark.parametrize(
    ("pattern", "event"),
    [
        (BESIDE, side_by_side(lambda _n, i, _j, k: (i + k) % 9 == 0)),
        ({"a": [1], "a.b": [{"exists": False}, 7]}, {"a": [1, [1], {"b": 7}, {"b": 8}]}),
    ],
    ids=["side by side", "absence"],
)
def test_nor_does_one_that_matches(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    (branch,) = parse(pattern).branches
    assert consistent(Survey(branch, read(event)), most=0)


def test_one_element_of_8_000_is_found() -> None:
    event = innermost(lambda n, i, j, k: (i, j, k) == (19, 7, 3) or (i + j + k) % 12 != n)
    assert parse(DEEP).matches(event)
    event["a"][19]["b"][7]["c"][3]["f11"] = False
    assert not parse(DEEP).matches(event)


def test_arrays_in_arrays_bind_as_nested_ones_do() -> None:
    says = [
        [[{f"f{n:02}": (i + j + k) % 12 != n for n in TWELVE} for k in TWENTY] for j in TWENTY]
        for i in TWENTY
    ]
    pattern = parse({"a": {f"f{n:02}": [True] for n in TWELVE}})
    assert not pattern.matches({"a": says})
    says[3][4][5] = dict.fromkeys(says[3][4][5], True)
    assert pattern.matches({"a": says})


def test_an_array_in_every_level_of_nesting() -> None:
    """As deep as an event may be, with a choice at every level."""
    event = '{"a": ' + '[{"b": 1}, ' * 990 + '{"b": 1, "c": 2}' + "]" * 990 + "}"
    assert parse({"a": {"b": [1], "c": [2]}}).matches(event)
    assert not parse({"a": {"b": [2], "c": [2]}}).matches(event)
    assert not parse({"a": {"b": [{"exists": False}], "c": [2]}}).matches(event)
    assert parse({"a": {"b": [1], "c": [{"exists": False}]}}).matches(event)


def test_a_key_written_twice_is_no_puzzle_by_itself() -> None:
    """Large arrays under one key, each with fields of its own: nothing to weigh."""
    many = json.dumps([{"p": k, "q": -k} for k in range(5_000)])
    other = json.dumps([{"r": k} for k in range(5_000)])
    event = f'{{"a": {many}, "a": {other}, "b": {many}, "b": {many}}}'
    assert parse({"a": {"p": [7], "q": [-7], "r": [8]}}).matches(event)
    assert not parse({"a": {"p": [7], "q": [-8], "r": [8]}}).matches(event)


def puzzle(choices: int, demands: int) -> tuple[Pattern, str]:
    """One key written `choices` times, its arrays with two elements each; a demand is met by any of three."""
    random = Random(2)
    ways = [{(c, random.random() < 0.5) for c in random.sample(range(choices), 3)} for _ in range(demands)]
    arrays = [
        [{f"d{n}": 1 for n, demand in enumerate(ways) if (choice, way) in demand} for way in (True, False)]
        for choice in range(choices)
    ]
    event = "{" + ", ".join(f'"a": {json.dumps(array)}' for array in arrays) + "}"
    return parse({"a": {f"d{n}": [1] for n in range(demands)}}), event


def solvable(pattern: Pattern, event: str) -> bool:
    """Whether one of all combinations of elements has all fields."""
    arrays = json.loads("[" + event[1:-1].replace('"a": ', "") + "]")
    wanted = {field.segments[-1] for field in pattern.branches[0].fields}
    return any(wanted <= {name for element in chosen for name in element} for chosen in product(*arrays))


@pytest.mark.parametrize("demands", [18, 26, 34, 42])
def test_small_puzzles_are_solved(demands: int) -> None:
    pattern, event = puzzle(8, demands)
    assert pattern.matches(event) is solvable(pattern, event)


def test_small_puzzles_have_both_answers() -> None:
    assert {solvable(*puzzle(8, demands)) for demands in (18, 26, 34, 42)} == {True, False}


def test_past_the_bound_the_event_is_refused() -> None:
    pattern, event = puzzle(40, 170)
    reason = (
        rf"too entangled for this pattern: keys on the way to a\.d0, .* {MOST_STEPS:,} steps gave no answer"
    )
    with pytest.raises(EventError, match=reason):
        pattern.matches(event)
    with pytest.raises(EventError, match="Write each key of an object once"):
        Index({"it": pattern}).match(event.encode())


def test_an_absence_among_many_arrays_of_one_key_is_bounded_too() -> None:
    """Each field may be left to another array, so that it is there which array excludes the absent one."""
    element = {f"f{n:02}": 1 for n in range(20)}
    array = json.dumps([element, {**element, "z": 1}])
    event = "{" + ", ".join(f'"a": {array}' for _ in range(12)) + "}"
    pattern = parse({"a": {**{f"f{n:02}": [1] for n in range(20)}, "z": [{"exists": False}]}})
    with pytest.raises(EventError, match="too entangled"):
        pattern.matches(event)


def test_the_other_patterns_of_a_refused_event_have_their_answer() -> None:
    """The bound is for one pattern and one event: what was read once can be asked on."""
    pattern, event = puzzle(40, 170)
    fields = read(event)
    with pytest.raises(EventError):
        matches(pattern.branches, fields)
    assert matches(parse({"a": {"d0": [1]}}).branches, fields)
    assert not matches(parse({"a": {"d0": [2]}}).branches, fields)
