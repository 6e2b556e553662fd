"""Reading an event's fields: msgspec decodes those that rules read, and skips everything else.

Decoding to objects would lose what matters here: of a key that stands twice only the last value would
remain, and of a number only its value, not its spelling. So no object keeps a value. Every field has a
type of its own, which hands what it is made of to the field's list; msgspec makes an instance whenever it
meets the field:

    class Leaf:
        __init__ = values.append                              # Leaf("x") appends "x" to `values`

    Decoder(Root, dec_hook=type.__call__, float_hook=Number)  # each value of a field becomes Leaf(value)

So the list holds all values of the field in their order, and no line of Python runs meanwhile. Objects are
counted in the same way, where it matters that there are several.

What msgspec refuses or cannot tell apart is left to the complete reading (`fields.read`): lone
surrogates, integers of more than 4,300 digits, objects in arrays nested more than three deep, and all
that is no event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from router.patterns.jsontext import DEEPEST
from router.patterns.values import Number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Segments = tuple[str, ...]

_ARRAYS_IN_ARRAYS = 3
_SHORTEST_TOO_DEEP = 2 * DEEPEST


class UnreadableError(Exception):
    """It takes the complete reading."""


@dataclass(slots=True)
class Knot:
    """A place in events that patterns look at: a field, or an object with fields in it.

    Attributes:
        number: the field's; None for an object.
        below: the places in the object, by key.
    """

    number: int | None = None
    below: dict[str, Knot] = field(default_factory=dict)

    def attribute(self, key: str) -> str:
        """Under which name an object's struct holds what stands under a key."""
        return f"f{list(self.below).index(key)}"


def knots(paths: Mapping[Segments, int]) -> Knot:
    """Some fields' paths as a tree; none of them leads through another."""
    root = Knot()
    for segments, number in paths.items():
        knot = root
        for segment in segments:
            knot = knot.below.setdefault(segment, Knot())
        knot.number = number
    return root


class Recorder:
    """Reads events as JSON text.

    Attributes:
        values: for each field, by number, its values in the event read last: str, int, bool, None; `Number`
            for numbers with a fraction or an exponent; arrays and objects as list and dict.
        objects: for each of the shared paths, the structs of the objects there.
        root: the struct of the event; a struct's attributes tell whether a field is there, not its value.
    """

    def __init__(
        self, paths: Mapping[Segments, int], values: list[list[Any]], shared: Iterable[Segments]
    ) -> None:
        """Get ready to read the fields at some paths, each with its number, into these lists.

        `shared` are the paths of objects that hold several fields of one pattern.

        Raises:
            UnreadableError: a path has keys for which msgspec makes no structs.
        """
        self.values = values
        self.objects: dict[Segments, list[Any]] = {path: [] for path in shared}
        self.layers = [knots(layer) for layer in _layers(paths)]
        self.root: Any = None
        self._decoders = [
            self._decoder(layer, {} if number else self.objects) for number, layer in enumerate(self.layers)
        ]
        self._clears = tuple(one.clear for one in (*values, *self.objects.values()))

    def read(self, event: bytes) -> None:
        """Read an event; `clear` before the next, also if this one cannot be read.

        Raises:
            UnreadableError: only the complete reading can tell what it holds, or whether it is an event.
        """
        try:
            if not event.isascii():
                event.decode()  # msgspec does not look into strings that it skips
            for decode in self._decoders:
                self.root = decode(event)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise UnreadableError from None
        if len(event) > _SHORTEST_TOO_DEEP and event.count(b"{") + event.count(b"[") > DEEPEST:
            raise UnreadableError

    @property
    def entangled(self) -> bool:
        """Whether several fields of one pattern may stand in different objects."""
        return any(len(objects) > 1 for objects in self.objects.values())

    def clear(self) -> None:
        """Forget the event."""
        for clear in self._clears:
            clear()

    def _decoder(self, root: Knot, objects: Mapping[Segments, list[Any]]) -> Callable[[bytes], Any]:
        try:
            struct = _struct(self._types(root, (), objects), objects.get(()))
        except ValueError as problem:  # quotation marks, control characters, lone surrogates
            raise UnreadableError from problem
        return msgspec.json.Decoder(struct, dec_hook=type.__call__, float_hook=Number).decode

    def _types(
        self, knot: Knot, path: Segments, objects: Mapping[Segments, list[Any]]
    ) -> dict[Segments, Any]:
        """The types of all that is below an object, by their paths from there."""
        types: dict[Segments, Any] = {}
        for segment, below in knot.below.items():
            if below.number is not None:
                types[segment,] = type(
                    "Leaf", (), {"__slots__": (), "__init__": self.values[below.number].append}
                )
                continue
            inner = self._types(below, (*path, segment), objects)
            types[segment,] = _object_or_not(_struct(inner, objects.get((*path, segment))))
            types |= {(segment, *rest): kind for rest, kind in inner.items()}
        return types


def _layers(paths: Mapping[Segments, int]) -> list[dict[Segments, int]]:
    """The paths, apart where one leads through another: a decoder takes an object apart, or as it is."""
    heights = dict.fromkeys(sorted(paths, key=len, reverse=True), 0)
    for path, height in heights.items():
        for length in range(1, len(path)):
            if path[:length] in heights:
                heights[path[:length]] = max(heights[path[:length]], height + 1)
    layers: list[dict[Segments, int]] = [{} for _ in range(max(heights.values(), default=0) + 1)]
    for path, height in heights.items():
        layers[height][path] = paths[path]
    return layers


def _struct(types: Mapping[Segments, Any], objects: list[Any] | None) -> type[msgspec.Struct]:
    """The struct of an object, with attributes for the keys, and for keys with dots that lead further."""
    keys = sorted(types, key=len)  # in the order of `knot.below`, then what the keys with dots lead to
    names = {f"f{number}": ".".join(key) for number, key in enumerate(keys)}
    fields = [(name, types[key], msgspec.UNSET) for name, key in zip(names, keys, strict=True)]
    namespace = {} if objects is None else {"__post_init__": objects.append}
    return msgspec.defstruct("Object", fields, rename=names, namespace=namespace, gc=False)


def _object_or_not(struct: type[msgspec.Struct]) -> Any:
    """The type of an object, of whatever may stand in its place, and of arrays of these."""
    kind: Any = struct | str | int | float | bool | None
    for _ in range(_ARRAYS_IN_ARRAYS):
        kind = struct | str | int | float | bool | None | list[kind]
    return kind
