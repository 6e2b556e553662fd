"""The benchmark's events: always the same, in the right shape, and with the right numbers of matches."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from fnmatch import fnmatchcase
from typing import Any

import pytest

from benchmarks import columns
from benchmarks.categories import Category, WrongMatchesError, check, load, plain_matches
from benchmarks.lots import lots

FEW = 3_000
CATEGORIES = {category.name: category for category in load()}


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(itertools.islice(lots(), FEW))


@pytest.fixture(scope="module")
def distinct_lines() -> list[bytes]:
    return list(itertools.islice(lots(distinct=True), FEW))


def strings(lines: list[bytes]) -> dict[str, list[str]]:
    """Of each field that rules read as a string, the strings."""
    found: dict[str, list[str]] = {
        name: [] for name in ("MAPBLKLOT", "STREET", "ST_TYPE", "FROM_ST", "geometry")
    }
    for line in lines:
        lot = json.loads(line)
        for name, values in found.items():
            value = lot["geometry"]["type"] if name == "geometry" else lot["properties"][name]
            if value is not None:
                values.append(value)
    return found


def conditions(category: Category, field: str) -> list[tuple[Any, int]]:
    """What a category's rules ask of one property, and how many lots they have to match."""
    return [
        (rule["properties"][field][0], category.matches[name])
        for name, rule in category.rules.items()
        if field in rule.get("properties", {})
    ]


def test_the_events_are_always_the_same(lines: list[bytes]) -> None:
    assert list(itertools.islice(lots(), FEW)) == lines


def test_the_events_have_the_shape_of_city_lots(lines: list[bytes]) -> None:
    for line in lines:
        lot = json.loads(line)
        geometry = lot["geometry"]
        assert lot["type"] == "Feature"
        assert len(geometry["coordinates"]) >= 4
        assert geometry["firstCoordinates"] == geometry["coordinates"][0] == geometry["coordinates"][-1]
        assert all(corner.keys() == {"x", "y", "z"} for corner in geometry["coordinates"])


def test_the_events_have_about_850_bytes(lines: list[bytes]) -> None:
    assert 800 < sum(map(len, lines)) / FEW < 900
    assert len({*lines}) == FEW


def test_lots_numbers_are_those_that_rules_count() -> None:
    numbers = Counter(columns.numbers(random.Random(7)))
    assert numbers.total() == columns.COUNT
    for number, count in conditions(CATEGORIES["EXACT"], "MAPBLKLOT"):
        assert numbers[number] == count
    for condition, count in conditions(CATEGORIES["WILDCARD"], "MAPBLKLOT"):
        assert sum(n for number, n in numbers.items() if fnmatchcase(number, condition["wildcard"])) == count


def test_streets_are_those_that_rules_count() -> None:
    streets = Counter(columns.streets(random.Random(7)))
    assert streets.total() == columns.COUNT
    for condition, count in conditions(CATEGORIES["PREFIX"], "STREET"):
        assert sum(n for street, n in streets.items() if street.startswith(condition["prefix"])) == count
    for condition, count in conditions(CATEGORIES["SUFFIX"], "STREET"):
        assert sum(n for street, n in streets.items() if street.endswith(condition["suffix"])) == count
    for condition, count in conditions(CATEGORIES["EQUALS_IGNORE_CASE"], "STREET"):
        assert streets[condition["equals-ignore-case"].upper()] == count


def test_types_of_streets_are_those_that_rules_count() -> None:
    types = Counter(columns.street_types(random.Random(7)))
    ((condition, count),) = conditions(CATEGORIES["ANYTHING_BUT"], "ST_TYPE")
    (excluded,) = condition["anything-but"]
    assert types.total() - types[excluded] == count


def test_house_numbers_are_those_that_rules_count() -> None:
    houses = list(columns.houses(random.Random(7)))
    ((_, count),) = conditions(CATEGORIES["ANYTHING_BUT_PREFIX"], "FROM_ST")
    assert sum(not house.startswith("44") for house in houses) == count
    ((_, count),) = conditions(CATEGORIES["ANYTHING_BUT_SUFFIX"], "FROM_ST")
    assert sum(not house.endswith("41") for house in houses) == count


def test_where_strings_are_distinct_no_field_has_one_twice(
    lines: list[bytes], distinct_lines: list[bytes]
) -> None:
    before = strings(lines)
    for name, values in strings(distinct_lines).items():
        assert len({*values}) == len(values)
        assert len({*before[name]}) < len(before[name])
        assert {*before[name]} <= {*values}


@pytest.mark.parametrize(
    "name", ["PREFIX", "SUFFIX", "WILDCARD", "ANYTHING_BUT_PREFIX", "ANYTHING_BUT_WILDCARD"]
)
def test_where_strings_are_distinct_their_beginnings_and_ends_are_found_as_before(
    name: str, lines: list[bytes], distinct_lines: list[bytes]
) -> None:
    patterns = CATEGORIES[name].patterns
    found = plain_matches(patterns, lines)
    assert any(found.values())
    assert plain_matches(patterns, distinct_lines) == found


def test_where_strings_are_distinct_equality_holds_once(distinct_lines: list[bytes]) -> None:
    category = CATEGORIES["EQUALS_IGNORE_CASE"]
    assert set(plain_matches(category.patterns, distinct_lines).values()) == {1}
    whole = [b""] * columns.COUNT
    assert set(category.expected(whole, distinct=True).values()) == {1}
    assert set(CATEGORIES["ANYTHING_BUT"].expected(whole, distinct=True).values()) == {columns.COUNT - 1}
    assert CATEGORIES["PREFIX"].expected(whole, distinct=True) == CATEGORIES["PREFIX"].matches


def test_of_fewer_events_the_plain_matcher_tells_what_to_expect(lines: list[bytes]) -> None:
    expected = CATEGORIES["NUMERIC"].expected(lines, distinct=False)
    west = sum(json.loads(line)["geometry"]["firstCoordinates"]["x"] < -122.41600944012424 for line in lines)
    assert expected["2"] == west
    assert expected["3"] == FEW - west


def test_a_wrong_number_of_matches_is_named() -> None:
    check("fine", Counter({"0": 2}), {"0": 2, "1": 0})
    with pytest.raises(WrongMatchesError, match="PREFIX: rule 1 has to match 3 events and matched 2"):
        check("PREFIX", Counter({"0": 1, "1": 2}), {"0": 1, "1": 3})
