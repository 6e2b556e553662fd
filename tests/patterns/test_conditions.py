"""Each condition on its own: every type of value, and laws against other ways to say the same."""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.patterns.conditions import (
    Address,
    All,
    AnythingBut,
    Cidr,
    Condition,
    Contains,
    Equals,
    EqualsIgnoreCase,
    Exact,
    Exists,
    Literal,
    Numeric,
    Prefix,
    Suffix,
    Wildcard,
    gaps,
    is_increasing,
    wildcard,
)
from router.patterns.values import Number, Value, address_of

VALUES: list[Value] = ["", "a", "abc", "7", "true", "null", "10.0.0.1", Number("7"), True, False, None]

FEW = st.text(alphabet="abAB", max_size=8)
CASED = st.text(alphabet="aAß\u017fKkﬁǅŉİ\u0131éÉ", max_size=5)
COMPARABLE = st.integers(-1_000, 1_000).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (Exact("a"), ["a"]),
        (Exact(""), [""]),
        (Exact("7"), ["7"]),
        (Literal(True), [True]),
        (Literal(False), [False]),
        (Literal(None), [None]),
        (Equals(Number("7.0")), [Number("7")]),
        (Prefix("a"), ["a", "abc"]),
        (Prefix("A", ignore_case=True), ["a", "abc"]),
        (Suffix("c"), ["abc"]),
        (Suffix("C", ignore_case=True), ["abc"]),
        (EqualsIgnoreCase("ABC"), ["abc"]),
        (Contains("b"), ["abc"]),
        (Contains(""), [value for value in VALUES if isinstance(value, str)]),
        (Prefix(""), [value for value in VALUES if isinstance(value, str)]),
        (Suffix(""), [value for value in VALUES if isinstance(value, str)]),
        (wildcard("*"), [value for value in VALUES if isinstance(value, str)]),
        (wildcard("a*"), ["a", "abc"]),
        (Numeric(((">", 6.0), ("<", 8.0))), [Number("7")]),
        (Numeric((("=", 7.0),)), [Number("7")]),
        (Numeric(((">", 7.0),)), []),
        (Address(ipaddress.ip_address("10.0.0.1")), ["10.0.0.1"]),
        (Cidr(ipaddress.ip_network("10.0.0.0/8")), ["10.0.0.1"]),
        (Cidr(ipaddress.ip_network("::/0")), []),
        (Exists(wanted=True), VALUES),
        (Exists(wanted=False), []),
        (AnythingBut((Exact("a"), Exact("abc"))), [v for v in VALUES if v not in ("a", "abc")]),
        (AnythingBut((Equals(Number("7")),)), [v for v in VALUES if not isinstance(v, Number)]),
        (AnythingBut((wildcard("*"),)), [Number("7"), True, False, None]),
        (All((Prefix("a"), Suffix("c"))), ["abc"]),
        (All((Prefix("a"), AnythingBut((Exact("abc"),)))), ["a"]),
    ],
    ids=str,
)
def test_the_values_that_meet_it(condition: Condition, met: list[Value]) -> None:
    assert [value for value in VALUES if condition.matches(value)] == met


@given(st.lists(FEW, min_size=1, max_size=5), FEW)
def test_a_wildcard_is_a_regular_expression(parts: list[str], value: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, parts)), value) is not None
    assert Wildcard(tuple(parts)).matches(value) is expected
    assert wildcard("*".join(parts)).matches(value) is expected


@given(CASED, CASED)
def test_ignoring_case_is_a_choice_for_each_character(pattern: str, value: str) -> None:
    ways = {"".join(way) for way in product(*({c.lower(), c.upper()} for c in pattern))}
    assert EqualsIgnoreCase(pattern).matches(value) is (value in ways)
    assert Prefix(pattern, ignore_case=True).matches(value) is value.startswith(tuple(ways))
    assert Suffix(pattern, ignore_case=True).matches(value) is value.endswith(tuple(ways))


@given(st.sampled_from(["=", "<", "<=", ">", ">="]), COMPARABLE, COMPARABLE)
def test_numbers_compare_as_decimals(comparator: str, bound: str, value: str) -> None:
    one, other = Decimal(value), Decimal(bound)
    expected = {
        "=": one == other,
        "<": one < other,
        "<=": one <= other,
        ">": one > other,
        ">=": one >= other,
    }[comparator]
    assert Numeric(((comparator, float(bound)),)).matches(Number(value)) is expected
    assert Equals(Number(bound)).matches(Number(value)) is (one == other)


@given(COMPARABLE, st.integers(-5, 5))
def test_a_number_is_itself_in_every_spelling(text: str, shift: int) -> None:
    value = Decimal(text)
    spelled = f"{value.scaleb(-shift):f}e{shift}"
    assert Number(spelled).value == Number(text).value
    assert Number(f"{value:f}").value == Number(text).value


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_what_a_double_does_not_hold_is_not_comparable(value: Decimal) -> None:
    text = str(value)
    held = Decimal(repr(float(text))) == value
    assert (Number(text).value is not None) is held
    assert Equals(Number(text)).matches(Number(text))
    assert Numeric((("=", float(text)),)).matches(Number(text)) is held


@given(st.ip_addresses().filter(lambda address: address_of(str(address)) == address), st.integers(0, 127))
def test_blocks(address: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int) -> None:
    bits %= address.max_prefixlen
    inside = Cidr(ipaddress.ip_network(f"{address}/{bits}", strict=False))
    assert inside.matches(str(address))
    assert inside.matches(address.exploded)
    other = type(address)(int(address) ^ 1 << (address.max_prefixlen - 1))
    if address_of(str(other)) == other:  # not IPv4 in IPv6's clothes
        assert inside.matches(str(other)) is (bits == 0)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6(address: ipaddress.IPv4Address) -> None:
    high, low = divmod(int(address), 0x10000)
    assert address_of(f"::ffff:{high:x}:{low:x}") == address


@given(st.lists(FEW, min_size=1, max_size=3), FEW)
def test_anything_but_is_the_opposite(texts: list[str], value: str) -> None:
    for kind in (Exact, EqualsIgnoreCase, Prefix, Suffix, Contains):
        conditions = tuple(kind(text) for text in texts)
        met = any(condition.matches(value) for condition in conditions)
        assert AnythingBut(conditions).matches(value) is not met
        assert All(conditions).matches(value) is all(condition.matches(value) for condition in conditions)


@pytest.mark.parametrize(
    ("condition", "counts"),
    [
        (Exact("*"), []),
        (wildcard("a"), [0]),
        (wildcard("*a*"), [2]),
        (wildcard("a***b"), [1]),
        (AnythingBut((wildcard("*"), wildcard("a*b*"))), [1, 2]),
        (All((Prefix("*"), wildcard("*a"))), [1]),
    ],
    ids=str,
)
def test_what_the_cost_rule_counts(condition: Condition, counts: list[int]) -> None:
    assert list(gaps(condition)) == counts


def test_a_range_rises() -> None:
    assert is_increasing(((">", 1.0), ("<", 2.0)))
    assert is_increasing((("=", 1.0),))
    assert not is_increasing(((">=", 1.0), ("<=", 1.0)))
