"""An event read once: its leaves by path, each with the array elements it stands in.

Paths are laid out when somebody asks for them: an event is mostly what no pattern asks about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from router.events import Event, EventError
from router.events.model import text_of
from router.patterns.jsontext import DEEPEST, JSONError, NotJSONError, Object, from_python
from router.patterns.jsontext import read as read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.patterns.values import Value

CONTAINERS = frozenset({dict, Object, list})
"""What is no leaf. A `dict` is an object whose keys stand once and have no dots; an `Object` is any."""


@dataclass(slots=True, eq=False)
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


class Fields:
    """The values at one path of an event, and the fields below it.

    Attributes:
        raw: what was read at this path, in the event's order: leaves, lists, and objects as `CONTAINERS` has
            them, each with the innermost element it stands in (None: no array of objects around it).
    """

    __slots__ = ("_below", "_values", "raw")

    def __init__(self) -> None:
        self.raw: list[tuple[Any, Element | None]] = []
        self._values: list[tuple[Value, Element | None]] | None = None
        self._below: dict[str, Fields] = {}

    @property
    def values(self) -> list[tuple[Value, Element | None]]:
        """Every leaf at this path, with the innermost element it stands in.

        Scalars that stand directly in an array carry only what encloses that array.
        """
        return self._lay_out() if self._values is None else self._values

    @property
    def below(self) -> dict[str, Fields]:
        """The fields below, by the next key; a key with dots is several."""
        if self._values is None:
            self._lay_out()
        return self._below

    def at(self, segments: tuple[str, ...]) -> Fields | None:
        """The field at a path from here, or None."""
        found = self
        for segment in segments:
            below = found.below.get(segment)
            if below is None:
                return None
            found = below
        return found

    def _lay_out(self) -> list[tuple[Value, Element | None]]:
        """Part what was read into leaves and what is below. Without recursion: events come from outside."""
        values = self._values = []
        waiting = self.raw[::-1]
        while waiting:
            value, element = waiting.pop()
            kind = type(value)
            if kind is dict:
                for key, member in value.items():
                    self._put(key, member, element)
            elif kind is Object:
                for key, member in value:
                    first, dot, rest = key.partition(".")
                    self._put(first, Object([(rest, member)]) if dot else member, element)
            elif kind is list:
                array = id(value)
                for index in range(len(value) - 1, -1, -1):
                    member = value[index]
                    inside = type(member) in CONTAINERS
                    waiting.append((member, Element(array, index, element) if inside else element))
            else:
                values.append((value, element))
        return values

    def _put(self, key: str, value: Any, element: Element | None) -> None:
        below = self._below.get(key)
        if below is None:
            below = self._below[key] = Fields()
        below.raw.append((value, element))


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
        members: list[tuple[str, Any]] = [*event.attributes().items()]
        if event.data is not None:
            members.append(("data", _json(event.data) if event.is_json else text_of(event.data)))
        root.raw.append((_members(members), None))
        return root
    value = _json(event) if isinstance(event, str | bytes) else _python(event)
    if type(value) is not dict and not isinstance(value, Object):
        raise EventError("The event is not a JSON object.")
    root.raw.append((value, None))
    return root


def _json(text: str | bytes) -> Any:
    try:
        return _not_too_deep(read_json(text, _members))
    except JSONError as problem:
        raise EventError(f"The event is not JSON: {problem.reason} (character {problem.offset}).") from None


def _python(value: Any) -> Any:
    try:
        return _not_too_deep(from_python(value))
    except NotJSONError as problem:
        raise EventError(f"The event is not JSON: {problem}.") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Object:
    """An object as `CONTAINERS` has it."""
    members = dict(pairs)
    return members if len(members) == len(pairs) and "." not in "".join(members) else Object(pairs)


def _not_too_deep(value: Any) -> Any:
    """The same value.

    Raises:
        EventError: it is nested deeper than `DEEPEST`.
    """
    level = [value] if type(value) in CONTAINERS else []
    for _ in range(DEEPEST):
        if not level:
            return value
        level = [inner for outer in level for inner in _inside(outer) if type(inner) in CONTAINERS]
    if level:
        raise EventError(f"The event is nested deeper than {DEEPEST:,} levels.")
    return value


def _inside(container: Any) -> Any:
    """The values in an object or array."""
    if type(container) is dict:
        return container.values()
    return [member for _, member in container] if type(container) is Object else container
