"""An event read once: where its leaves are, and in which array elements they stand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event, EventError
from router.patterns import Fields, read
from router.patterns.jsontext import DEEPEST
from router.patterns.values import Number


def found(event: Any, path: str) -> list[Any]:
    """The values at a path, with the index in each array around them, outermost first."""
    fields = read(event).at(tuple(path.split(".")))
    if fields is None:
        return []
    return [
        (value, [index for _, index in element.tags()][::-1]) if element else value
        for value, element in fields.values
    ]


@pytest.mark.parametrize(
    ("event", "path", "expected"),
    [
        ('{"a": "x"}', "a", ["x"]),
        ('{"a": 1.0}', "a", [Number("1.0")]),
        ('{"a": null}', "a", [None]),
        ('{"a": {"b": true}}', "a.b", [True]),
        ('{"a": {"b": true}}', "a", []),
        ('{"a": []}', "a", []),
        ('{"a.b": 1, "a": {"b": 2}}', "a.b", [Number("1"), Number("2")]),
        ('{"a": 1, "a": 2}', "a", [Number("1"), Number("2")]),
        ('{"a": ["x", "y"]}', "a", ["x", "y"]),
        ('{"a": ["x", ["y"], {"b": "z"}]}', "a", ["x", ("y", [1])]),
        ('{"a": ["x", ["y"], {"b": "z"}]}', "a.b", [("z", [2])]),
        ('{"a": [[{"b": "x"}, {"b": ["y", {"c": 1}]}]]}', "a.b", [("x", [0, 0]), ("y", [0, 1])]),
        ('{"a": [[{"b": "x"}, {"b": ["y", {"c": null}]}]]}', "a.b.c", [(None, [0, 1, 1])]),
        ('{"": {"": "x"}}', ".", ["x"]),
    ],
)
def test_leaves(event: str, path: str, expected: list[Any]) -> None:
    assert found(event, path) == expected
    assert found(event.encode(), path) == expected


def test_arrays_are_told_apart() -> None:
    fields = read('{"a": [{"x": 1}], "b": [{"x": 1}], "a": [{"x": 2}]}')
    numbers = []
    for name in ("a", "b"):
        at = fields.at((name, "x"))
        assert at is not None
        numbers += [element.array for _, element in at.values if element]
    assert len(set(numbers)) == 3


def test_the_order_of_the_event_is_kept() -> None:
    fields = read('{"b": 1, "a": {"y": 1, "x": 1}, "c": 1}')
    assert list(fields.below) == ["b", "a", "c"]
    assert list(fields.below["a"].below) == ["y", "x"]


def test_a_cloud_event() -> None:
    event = Event(id="1", source="s", type="t", extensions={"n": 3, "b": True}, data=b'[{"x": 1.50}, "y"]')
    assert found(event, "n") == ["3"]
    assert found(event, "b") == ["true"]
    assert found(event, "specversion") == ["1.0"]
    assert found(event, "subject") == []
    assert found(event, "data.x") == [(Number("1.50"), [0])]
    assert found(event, "data") == ["y"]


@pytest.mark.parametrize("payload", [b"", b"{", b"01", b"\xff", b'{"a": 1} x', b"NaN", b"[" * 2_000])
def test_a_payload_that_is_declared_json_and_is_not(payload: bytes) -> None:
    with pytest.raises(EventError, match="The event is not JSON"):
        read(Event(id="1", source="s", type="t", data=payload))


def test_nesting_has_a_limit_in_any_form() -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        depth = DEEPEST - 1
        read('{"a":' + opening * depth + "1" + closing * depth + "}")
        with pytest.raises(EventError, match="ested deeper than 1,000 levels"):
            read('{"a":' + opening * DEEPEST + "1" + closing * DEEPEST + "}")


def test_keys_with_dots_and_keys_written_twice_are_no_levels() -> None:
    dots = ".".join("a" * (DEEPEST + 200))
    assert found(f'{{"{dots}": 1}}', dots) == [Number("1")]
    twice = '{"a": {}, "a": ' * (DEEPEST - 100) + "1" + "}" * (DEEPEST - 100)
    assert found(twice, ".".join("a" * (DEEPEST - 100))) == [Number("1")]


@pytest.mark.parametrize(
    "event",
    [
        '{"a.b": 1, "a": {"b": 2, "c.d": 3}, "a.b": 4, "a.c": {"d": [5, {"e": 6}]}}',
        {"a.b": 1, "a": [[{"b": 2}], {"b": 4}], "a.c.d": [3, 5]},
    ],
    ids=["text", "mapping"],
)
def test_values_keep_the_order_of_the_event_however_their_path_is_written(event: Any) -> None:
    fields = read(event)
    for path, numbers in (("a.b", "124"), ("a.c.d", "35")):
        field = fields.at(tuple(path.split(".")))
        assert field
        assert [value for value, _ in field.values] == [Number(one) for one in numbers]
    assert list(fields.below["a"].below) == ["b", "c"]


@given(
    st.recursive(
        st.integers(0, 9),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        ),
    )
)
def test_no_leaf_is_lost(value: Any) -> None:
    def leaves(value: Any) -> int:
        if isinstance(value, dict | list):
            return sum(map(leaves, value.values() if isinstance(value, dict) else value))
        return 1

    def counted(fields: Fields) -> int:
        return len(fields.values) + sum(map(counted, fields.below.values()))

    event = {"root": value}
    assert counted(read(event)) == counted(read(json.dumps(event))) == leaves(event)
