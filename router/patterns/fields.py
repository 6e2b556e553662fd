"""An event read once: its leaves by path, each with the array elements it stands in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from router.events import Event, EventError
from router.events.model import text_of
from router.patterns.jsontext import DEEPEST, JSONError, NotJSONError, Object, from_python
from router.patterns.jsontext import read as read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.patterns.values import Value


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """An object or array that stands in an array.

    Attributes:
        array: the array's number; every array of an event has its own.
        index: the element's place in it.
        parent: the innermost element around that array, if there is one.
    """

    array: int
    index: int
    parent: Element | None

    def tags(self) -> Iterator[tuple[int, int]]:
        """(array, index) of this element and of those around it, innermost first."""
        element: Element | None = self
        while element is not None:
            yield element.array, element.index
            element = element.parent


@dataclass(slots=True, eq=False)
class Fields:
    """The values at one path of an event, and the fields below it.

    Attributes:
        values: every leaf at this path, with the innermost element it stands in (None: no array of
            objects around it). Scalars that stand directly in an array carry only what encloses that array.
        below: the fields below, by the next key; a key with dots is several.
    """

    values: list[tuple[Value, Element | None]] = field(default_factory=list)
    below: dict[str, Fields] = field(default_factory=dict)

    def at(self, segments: tuple[str, ...]) -> Fields | None:
        """The field at a path from here, or None."""
        found = self
        for segment in segments:
            below = found.below.get(segment)
            if below is None:
                return None
            found = below
        return found

    def descend(self, key: str) -> Fields:
        """The field under a key, made if need be; `a.b` is `b` under `a`."""
        found = self
        for segment in key.split(".") if "." in key else (key,):
            below = found.below.get(segment)
            if below is None:
                below = found.below[segment] = Fields()
            found = below
        return found


def read(event: str | bytes | Mapping[str, Any] | Event) -> Fields:
    """Read an event, to match many patterns against it.

    Args:
        event: JSON text, a mapping of JSON values, or a CloudEvent: its attributes as canonical strings
            at the root, its payload under `data` (the JSON value; other payloads are a string).

    Raises:
        EventError: it is not strict JSON with an object at its root, or a CloudEvent's payload is
            declared to be JSON and is not.
    """
    root = Fields()
    if isinstance(event, Event):
        for name, text in event.attributes().items():
            root.descend(name).values.append((text, None))
        if event.data is not None:
            _flatten(_json(event.data) if event.is_json else text_of(event.data), root.descend("data"))
        return root
    value = _json(event) if isinstance(event, str | bytes) else _python(event)
    if not isinstance(value, Object):
        raise EventError("The event is not a JSON object.")
    _flatten(value, root)
    return root


def _json(text: str | bytes) -> Any:
    try:
        return read_json(text)
    except JSONError as problem:
        raise EventError(f"The event is not JSON: {problem.reason} (character {problem.offset}).") from None


def _python(value: Any) -> Any:
    try:
        return from_python(value)
    except NotJSONError as problem:
        raise EventError(f"The event is not JSON: {problem}.") from None


def _flatten(value: Any, into: Fields) -> None:
    """Put every leaf of a value where it belongs. Without recursion: events come from outside."""
    arrays = 0
    waiting: list[tuple[Any, Fields, Element | None, int]] = [(value, into, None, 1)]
    while waiting:
        value, into, element, depth = waiting.pop()
        if depth > DEEPEST and isinstance(value, Object | list):
            raise EventError(f"The event is nested deeper than {DEEPEST:,} levels.")
        if isinstance(value, Object):
            members = [(member, into.descend(key), element, depth + 1) for key, member in value]
            waiting += reversed(members)
        elif isinstance(value, list):
            arrays += 1
            for index in range(len(value) - 1, -1, -1):
                member = value[index]
                inside = isinstance(member, Object | list)
                around = Element(arrays, index, element) if inside else element
                waiting.append((member, into, around, depth + 1))
        else:
            into.values.append((value, element))
