"""Rules' patterns in the YAML form and CloudEvents for laws, as `strategies` has patterns and events as text.

The YAML form is what a loader makes of it: Python values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from router.events import Event
from tests.patterns.strategies import (
    CONDITIONS,
    PATHS,
    WORDS,
    Strategy,
    deep_values,
    evenly,
    events,
    some,
    values,
)


def loaded(text: str) -> Any:
    """JSON text as a YAML loader gives it: of a key that stands twice the last, numbers as written."""
    return json.loads(
        text, parse_float=Decimal, parse_int=lambda digits: Decimal(digits) if digits == "-0" else int(digits)
    )


def together(several: list[dict[str, Any]]) -> dict[str, Any]:
    """Several operators in one object; `exists: false` stands alone."""
    all_of_them = {name: operand for one in several for name, operand in one.items()}
    return several[0] if all_of_them.get("exists") is False else all_of_them


def operators_of(kinds: Iterable[str]) -> Strategy[dict[str, Any]]:
    groups = [[loaded(text) for text in CONDITIONS[kind]] for kind in kinds]
    groups.append([{"contains": text} for text in ("", *WORDS, "0.0", ":")])
    one = some(evenly(groups))
    return one | st.lists(one, min_size=2, max_size=3).map(together)


def bare_or_listed(one: Strategy[Any]) -> Strategy[Any]:
    return one | st.lists(one, min_size=2, max_size=4)


BARE = ("string", "number", "literal")
payload_operators = operators_of(kind for kind in CONDITIONS if kind not in BARE)
payload_values = some(evenly([loaded(text) for text in CONDITIONS[kind]] for kind in BARE))
payload_conditions = bare_or_listed(payload_values | payload_operators)
payload_paths = some([*PATHS, ["a.prefix"]])


def nested(path: Sequence[str], below: Any) -> dict[str, Any]:
    first, *others = path
    for name in reversed(others):
        below = {name: below}
    return {first: below}


def merged(several: list[dict[str, Any]]) -> dict[str, Any]:
    """Some fields in one mapping; of those that begin alike the last."""
    return {name: below for one in several for name, below in one.items()}


payload_field = st.builds(nested, payload_paths, payload_conditions)
payload_fields = payload_field | st.lists(payload_field, min_size=1, max_size=3).map(merged)
payload_patterns = st.one_of(
    payload_fields,
    payload_fields,
    st.builds(
        lambda before, either: {**before, "$or": either},
        payload_fields,
        st.lists(payload_fields, min_size=2, max_size=3),
    ),
    st.lists(payload_values | payload_operators, min_size=1, max_size=2),
)

ATTRIBUTES = ["a", "b", "a", "b", "ab", "imm:Task:A", "imm:Task:b", "A", "1", "true", "10.0.0.1", "ß"]
GLOBS = ["*", "imm:*", "imm:*:A", "a*", "*b", "**", "*:*"]
attribute_names = st.sampled_from([*["type", "source", "id"] * 3, "subject", "x", "y", "time"])
attribute_values = st.sampled_from([*ATTRIBUTES, *GLOBS, 1, -1, True, False, Decimal("1.50"), ""])
attribute_operators = operators_of(kind for kind in CONDITIONS if kind not in (*BARE, "numeric"))
attribute_conditions = bare_or_listed(attribute_values | attribute_operators)
attributes = st.dictionaries(attribute_names, attribute_conditions, min_size=1, max_size=2)
an_attribute = st.dictionaries(attribute_names, attribute_conditions, min_size=1, max_size=1)
rule_fields = st.one_of(
    an_attribute,
    attributes,
    st.builds(lambda fields, payload: {**fields, "data": payload}, an_attribute, payload_patterns),
)
payload_rules = payload_patterns.map(lambda payload: {"data": payload})
rules = st.one_of(
    rule_fields,
    payload_rules,
    st.builds(
        lambda before, either: {**before, "$or": either},
        st.just({}) | rule_fields,
        st.lists(rule_fields | payload_rules, min_size=2, max_size=3),
    ),
)
"""Patterns in the YAML form."""

texts_of_attributes = st.sampled_from(ATTRIBUTES)
payloads = st.one_of(
    st.none(),
    st.tuples(st.sampled_from([None, "application/json", "application/x+json; charset=utf-8"]), events),
    st.tuples(st.none(), events),
    st.tuples(st.none(), values | deep_values),
    st.tuples(st.just("text/plain"), texts_of_attributes),
)


def cloud_event(attributes: dict[str, Any], payload: tuple[str | None, str | bytes] | None) -> Event:
    content_type, data = payload or (None, None)
    return Event(
        datacontenttype=content_type, data=data.encode() if isinstance(data, str) else data, **attributes
    )


cloud_events = st.builds(
    cloud_event,
    st.fixed_dictionaries(
        {"id": st.sampled_from(["a", "1"]), "source": texts_of_attributes, "type": texts_of_attributes},
        optional={
            "subject": texts_of_attributes,
            "time": st.just("2026-01-01T00:00:00Z"),
            "extensions": st.dictionaries(
                st.sampled_from(["x", "y", "z"]),
                texts_of_attributes | st.sampled_from([1, -1, True]),
                max_size=2,
            ),
        },
    ),
    payloads | st.tuples(st.sampled_from(["text/plain", "image/png"]), st.just(b"\xff\xfe")),
)
