"""What was there instead: the reason a field almost matches, in words."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from router.patterns.conditions import (
    All,
    AnythingBut,
    Cidr,
    Contains,
    Equals,
    Exact,
    Exists,
    Numeric,
    Prefix,
    Suffix,
    Wildcard,
)
from router.patterns.jsontext import JSONError, quoted, read
from router.patterns.values import Number, Value, address_of

if TYPE_CHECKING:
    from router.patterns.conditions import Condition
    from router.patterns.fields import Fields
    from router.patterns.nodes import Field

_MOST_NAMES = 5
_LONGEST = 80


def near_miss(field: Field, event: Fields) -> str | None:
    """Why a field that does not match almost does, or what stands where it was looked for; else None."""
    found = event.at(field.segments)
    if found is None or not found.values:
        return _absent(field, event)
    for leaf in field.leaves:
        for value, _ in found.values:
            if (reason := _reason(leaf.condition, value)) is not None:
                return reason
    return None


def _absent(field: Field, event: Fields) -> str:
    """What stands on the way to a field that has no value."""
    around, way = event, ""
    for segment in field.segments:
        below = around.below.get(segment)
        if below is None:
            return _missing(segment, way, around)
        around, way = below, f"{way}.{segment}" if way else segment
    if around.below:
        return f"{way} is an object, with {_listed(around)}; conditions look at single values"
    return f"{way} is there, but empty"


def _missing(key: str, way: str, around: Fields) -> str:
    """What a missing key's neighbours say about it."""
    where = f" in {way}" if way else ""
    for other in around.below:
        if other.casefold() == key.casefold():
            return f"there is no {key}{where}, but {other}: names differ in case"
    if close := get_close_matches(key, around.below, n=1):
        return f"there is no {key}{where}, but {close[0]}"
    if around.below:
        return f"there is no {key}{where}, only {_listed(around)}"
    if around.values:
        return f"there is no {key}: {way} is not an object but {_shown(around.values[0][0])}"
    return f"there is no {key}{where}"


def _listed(around: Fields) -> str:
    names = list(around.below)
    return ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")


def _reason(condition: Condition, value: Value) -> str | None:
    """Why one value does not meet a condition, where there is more to say than that it does not."""
    shown = _shown(value)
    match condition:
        case Exists(False):
            return f"it is there: {shown}"
        case AnythingBut():
            return f"{shown} is excluded"
        case Cidr() if isinstance(value, str) and address_of(value) is None:
            return f"{shown} is not an IP address"
        case Equals() | Numeric() if isinstance(value, Number) and value.value is None:
            return f"{shown} cannot be compared: a double does not hold it exactly"
    other = _other_type(value)
    if other != value and condition.matches(other):
        return f"{shown} is {_kind(value)} in the event, {_kind(other)} in the pattern"
    if isinstance(value, str):
        if condition.matches(value.strip()):
            return f"{shown} differs only in the white space around it"
        if _ignoring_case(condition).matches(value.casefold()):
            return f"{shown} differs only in case"
    return None


def _other_type(value: Value) -> Value:
    """A string as the number or literal it spells, anything else as the string that spells it."""
    if not isinstance(value, str):
        return quoted(value)
    try:
        other = read(value)
    except JSONError:
        return value
    return other if other is None or isinstance(other, Number | bool) else value


def _kind(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return "a string" if isinstance(value, str) else "a number"


def _shown(value: Value) -> str:
    text = quoted(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _ignoring_case(condition: Condition) -> Condition:
    """The same condition with its texts case-folded."""
    match condition:
        case Exact(text):
            return Exact(text.casefold())
        case Prefix(text):
            return Prefix(text.casefold())
        case Suffix(text):
            return Suffix(text.casefold())
        case Contains(text):
            return Contains(text.casefold())
        case Wildcard(parts):
            return Wildcard(tuple(part.casefold() for part in parts))
        case All(conditions):
            return All(tuple(_ignoring_case(one) for one in conditions))
    return condition
