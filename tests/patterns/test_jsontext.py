"""The two readers of JSON: what they keep, what they refuse, and that they agree."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.patterns.jsontext import (
    DEEPEST,
    JSONError,
    Node,
    NotJSONError,
    Object,
    dumps,
    from_python,
    nodes,
    read,
)
from router.patterns.values import Number

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
nearly_json = st.text(alphabet='{}[]",:\\u0019aeEtrufalsn.+- \n\t\ud800é', max_size=30)


def plain(node: Node) -> Any:
    value = node.value
    if isinstance(value, Object):
        return Object((key, plain(member)) for key, member in value)
    return [plain(member) for member in value] if isinstance(value, list) else value


def outcome(reader: Any, text: str | bytes) -> Any:
    try:
        result = reader(text)
        return plain(result) if isinstance(result, Node) else result
    except JSONError as problem:
        return problem.reason, problem.offset


def test_what_decoding_loses_is_kept() -> None:
    text = '{"a": 1.0, "a": [1e2, -0], "b": "\\ud800\\u00e9"}'
    expected = Object(
        [("a", Number("1.0")), ("a", [Number("1e2"), Number("-0")]), ("b", "\ud800é")],
    )
    assert read(text) == expected
    assert plain(nodes(text.encode())) == expected


def test_places() -> None:
    root = nodes(' {"key": ["text", 12]}\n')
    assert isinstance(root.value, Object)
    array: Node = root.value[0][1]
    assert isinstance(array.value, list)
    text, number = array.value
    assert (root.start, root.opened, root.end) == (1, 2, 22)
    assert (array.start, array.opened, array.end) == (9, 10, 21)
    assert (text.start, text.opened, text.end) == (10, 11, 16)
    assert (number.start, number.opened, number.end) == (18, 20, 20)


@given(json_values)
def test_whatever_json_writes_is_read(value: Any) -> None:
    text = json.dumps(value)
    assert read(text) == read(text.encode()) == plain(nodes(text)) == from_python(value)
    assert json.loads(dumps(nodes(text))) == value


@given(nearly_json)
@example("1E+2")
@example("[NaN, -Infinity]")
@example('"\\u12')
@example("[1,]")
@example("\ufeff{}")
@example("")
def test_the_readers_agree_on_any_text(text: str) -> None:
    found = outcome(read, text)
    assert found == outcome(nodes, text)
    try:
        known = json.loads(text, parse_constant=lambda name: json.loads(name.lower()))
    except ValueError:
        known = JSONError
    assert (known is JSONError) == (isinstance(found, tuple) and not isinstance(found, Object))


@given(st.binary(max_size=20))
def test_any_bytes(document: bytes) -> None:
    assert outcome(read, document) == outcome(nodes, document)


def test_bytes_that_are_not_utf_8() -> None:
    assert outcome(read, b'{"a": "\xff"}') == ("Invalid UTF-8 byte 0xff", 7)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting(opening: str, closing: str) -> None:
    for reader in (read, nodes):
        reader(opening * DEEPEST + "1" + closing * DEEPEST)
        with pytest.raises(JSONError, match="Nested deeper than 1,000 levels"):
            reader(opening * (DEEPEST + 1) + "1" + closing * (DEEPEST + 1))
    with pytest.raises(JSONError, match="Nested deeper"):
        read("[" * 1_000_000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, Number("7")),
        (0.1, Number("0.1")),
        (Decimal("0.10"), Number("0.10")),
        (True, True),
        ({"a": (1, None)}, Object([("a", [Number("1"), None])])),
    ],
)
def test_python_values(value: Any, expected: Any) -> None:
    assert from_python(value) == expected


@pytest.mark.parametrize(
    ("value", "reason", "path"),
    [
        ({"a": [1, {2}]}, "set is not a JSON value", ("a", 1)),
        ({"a": {1: 1}}, "the key 1 is not a string", ("a",)),
        ([float("nan")], "nan is not a JSON number", (0,)),
        ([Decimal("-Infinity")], "-Infinity is not a JSON number", (0,)),
        ({"a": 10**5_000}, "Exceeds the limit", ("a",)),
    ],
)
def test_python_values_that_json_has_not(value: Any, reason: str, path: tuple[str | int, ...]) -> None:
    with pytest.raises(NotJSONError, match=reason) as problem:
        from_python(value)
    assert problem.value.path == path


def test_a_value_that_holds_itself() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotJSONError, match="nested too deeply"):
        from_python(value)
