"""The corners that the corpus leaves out, and what hostile events cost."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from router.events import Event
from router.patterns import EventError, parse, parse_rule, read
from router.patterns.conditions import EqualsIgnoreCase, wildcard
from router.patterns.values import Number, address_of


def matches(pattern: object, event: object) -> bool:
    return parse(json.dumps(pattern)).matches(event if isinstance(event, str) else json.dumps(event))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("-0.000e7", 0.0),
        ("300.0", 300.0),
        ("3E+2", 300.0),
        ("0.1", 0.1),
        ("0.10", 0.1),
        ("5e-324", 5e-324),
        ("999999999999999", 999999999999999.0),
        ("9007199254740992", 9007199254740992.0),
        ("9007199254740993", None),
        ("0.30000000000000004", 0.30000000000000004),
        ("0.300000000000000044", None),
        ("1e309", None),
        ("-1e309", None),
        ("1e-400", None),
        ("0e-400", 0.0),
        ("0e99999999999999999999", 0.0),
        ("1e-99999999999999999999", None),
        ("0." + "0" * 10_000 + "1e10001", 1.0),
    ],
)
def test_comparable_numbers(text: str, value: float | None) -> None:
    assert Number(text).value == value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.2.3.4", "1.2.3.004"),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("2001:DB8::1", "2001:db8:0000::0001"),
        ("::ffff:a00:1", "10.0.0.1"),
    ],
)
def test_spellings_of_one_address(one: str, other: str) -> None:
    assert address_of(one) == address_of(other) != None  # noqa: E711 - a chain
    assert matches({"a": [one]}, {"a": other})
    assert not matches({"a": [{"exactly": one}]}, {"a": other})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.2.3",
        "256.0.0.1",
        "1.2.3.4.5",
        ":::",
        "1::2::3",
        "::ffff:1.2.3.4",
        "fe80::1%eth0",
        "1.2.3.00000000004",
    ],
)
def test_strings_that_spell_no_address(text: str) -> None:
    assert address_of(text) is None
    assert matches({"a": [text]}, {"a": text})


@pytest.mark.parametrize(("block", "inside"), [("10.0.0.0/+8", "10.1.1.1"), ("10.0.0.0/8/", "10.1.1.1")])
def test_blocks_as_java_reads_them(block: str, inside: str) -> None:
    assert matches({"a": [{"cidr": block}]}, {"a": inside})


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("ß", "SS", True),
        ("ß", "ss", False),
        ("SS", "ß", False),
        ("ς", "Σ", True),
        ("ς", "\u03c3", False),
        ("\u03c3", "Σ", True),
        ("ǅ", "ǆ", True),
        ("ǅ", "Ǆ", True),
        ("ǅ", "ǅ", False),
        ("ﬁx", "FIX", True),
        ("İ", "i̇", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_case_is_ignored_one_way(pattern: str, value: str, *, expected: bool) -> None:
    assert EqualsIgnoreCase(pattern).matches(value) is expected
    assert matches({"a": [{"prefix": {"equals-ignore-case": pattern}}]}, {"a": value + "z"}) is (
        expected or not pattern
    )
    assert matches({"a": [{"suffix": {"equals-ignore-case": pattern}}]}, {"a": "z" + value}) is (
        expected or not pattern
    )
    assert matches({"a": [{"anything-but": {"equals-ignore-case": pattern}}]}, {"a": value}) is not expected


def test_no_lower_mapping_begins_or_ends_its_upper_one() -> None:
    """What lets case be ignored without ever trying two ways, for all of Unicode."""
    for code in range(0x110000):
        lower, upper = chr(code).lower(), chr(code).upper()
        if lower != upper:
            assert not lower.startswith(upper) and not upper.startswith(lower)  # noqa: PT018 - a million times
            assert not lower.endswith(upper) and not upper.endswith(lower)  # noqa: PT018 - a million times


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("", "", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*a*", "bab", True),
        ("a*b*c", "abc", True),
        ("a*bc*c", "abc", False),
        ("*aa*a", "aaa", True),
        ("*aa*aa", "aaa", False),
    ],
)
def test_parts_never_overlap(glob: str, text: str, *, expected: bool) -> None:
    assert wildcard(glob).matches(text) is expected


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        # A scalar beside objects carries no tag of their array.
        ({"a": ["x"], "a.b": ["y"]}, {"a": ["x", {"b": "y"}]}, True),
        ({"a": ["x"], "a.b": ["y"]}, {"a": [["x"], {"b": "y"}]}, False),
        # Duplicate keys are different arrays.
        ({"a": {"b": [1], "c": [2]}}, '{"a": [{"b": 1}], "a": [{"c": 2}]}', True),
        # Absence before, between and after the fields that bind.
        ({"a": {"b": [{"exists": False}], "c": [1]}}, {"a": [{"c": 1}, {"b": 2}]}, False),
        ({"a": {"b": [1], "c": [{"exists": False}], "d": [1]}}, {"a": [{"b": 1, "d": 1}, {"c": 1}]}, True),
        ({"a": {"b": [1], "c": [{"exists": False}, 1], "d": [1]}}, {"a": [{"b": 1, "c": 2, "d": 1}]}, False),
        ({"a": {"b": [1], "c": [{"exists": False}, 2], "d": [1]}}, {"a": [{"b": 1, "c": 2, "d": 1}]}, True),
        # A choice that binds helps absence, even where one that does not would match as well.
        ({"a": [{"exists": True}], "a.b": [{"exists": False}]}, {"a": [1, [2], {"b": 1}]}, True),
        ({"a": [{"exists": True}], "a.b": [{"exists": False}]}, {"a": [1, {"b": 1}]}, False),
        # UTF-16 order of paths: U+FF5E sorts after U+1F600, so the absence comes last.
        ({"a": {"😀": [1], "\uff5e": [{"exists": False}]}}, {"a": [{"😀": 1}, {"\uff5e": 1}]}, True),
        ({"a": {"\uff5e": [1], "😀": [{"exists": False}]}}, {"a": [{"\uff5e": 1}, {"😀": 1}]}, False),
    ],
    ids=str,
)
def test_arrays(pattern: object, event: object, *, expected: bool) -> None:
    assert matches(pattern, event) is expected


@pytest.mark.parametrize("event", ["[]", "1", "", "{", b"\xff", {"a": {1}}, {1: 1}, [], {"a": float("inf")}])
def test_what_is_no_event(event: Any) -> None:
    with pytest.raises(EventError):
        parse('{"a": [1]}').matches(event)


def test_a_mapping_is_an_event() -> None:
    assert parse({"a": {"b": [0.5]}}).matches({"a": [{"b": 0.50}], "c": None})


def test_attributes_and_payload_stand_side_by_side() -> None:
    subject = Event(id="1", source="s", type="t", extensions={"n": 3}, data=b'{"type": "x", "n": 3.0}')
    fields = read(subject)
    assert parse({"type": ["t"], "data": {"type": ["x"], "n": [3]}, "n": ["3"]}).matches_fields(fields)
    assert not parse({"n": [3]}).matches_fields(fields)
    assert parse_rule({"n": 3}).matches_fields(fields)


def test_wildcards_take_one_pass() -> None:
    value = json.dumps({"a": "a" * 1_000_000})
    started = time.perf_counter()
    assert not matches({"a": [{"wildcard": "*aa*aa*aa*ab*b"}, {"wildcard": "*a*a*a*a*b"}]}, value)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ({"cidr": "::/0"}, '"' + ":" * 1_000_000 + 'x"'),
        ({"numeric": ["=", 1]}, "1" * 1_000_000),
        ({"numeric": ["=", 1]}, "0." + "0" * 1_000_000 + "1e1000001"),
        ("::1", '"' + "0" * 1_000_000 + ':"'),
    ],
    ids=["colons", "digits", "zeros", "leading zeros"],
)
def test_long_values_take_no_longer_than_they_are(condition: object, value: str) -> None:
    started = time.perf_counter()
    matches({"a": [condition]}, f'{{"a": {value}}}')
    assert time.perf_counter() - started < 1


def test_one_rule_and_a_usual_event() -> None:
    """A kilobyte, read and matched: far below a millisecond even on a busy machine."""
    event = json.dumps({"detail": {f"key{n}": f"some value of field number {n}" for n in range(25)}}).encode()
    pattern = parse({"detail": {"key7": [{"prefix": "some"}], "key9": [{"wildcard": "*number*9"}]}})
    best = 1.0
    for _ in range(200):
        started = time.perf_counter()
        assert pattern.matches(event)
        best = min(best, time.perf_counter() - started)
    assert best < 0.001
