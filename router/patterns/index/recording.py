"""Reading an event's fields: msgspec decodes those that patterns read, and skips everything else.

Decoding to objects would lose what matters here: of a key that stands twice only the last value would
remain, and of a number only its value, not its spelling. So no object keeps a value. Every field has a type
of its own that msgspec knows nothing about, and msgspec asks for an instance whenever it meets the field:

    Decoder(Root, dec_hook=take, float_hook=Number)  # take(Leaf, value), for every value of the field

So `take` gets all values in their order, and the objects stay empty. Objects are counted in the same way
where it matters that there are several.

What msgspec refuses or cannot tell apart is left to the complete reading (`fields.read`): lone surrogates,
integers of more than 4,300 digits, objects in arrays nested more than three deep, and all that is no event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from router.patterns.jsontext import DEEPEST
from router.patterns.values import Number

Segments = tuple[str, ...]

Take = Callable[[Any, Any], Any]
"""Gets a field's type and a value: str, int, bool, None, `Number` for numbers with a fraction or an exponent,
list or dict for arrays and objects. Returns an instance of the type."""

_ARRAYS_IN_ARRAYS = 3
_WIDEST = 1_000
"""So many keys of an object msgspec tells apart about as soon as the complete reading."""
_SHORTEST_TOO_DEEP = 2 * DEEPEST


class UnreadableError(Exception):
    """It takes the complete reading."""


class Reader:
    """Reads some fields of events.

    Attributes:
        objects: a struct for each object at a shared path that was met, in every event that was read.
    """

    def __init__(
        self, paths: Mapping[Segments, int], leaves: Sequence[type], shared: Collection[Segments], take: Take
    ) -> None:
        """Get ready to read the fields at some paths, each with the number of its type in `leaves`.

        Raises:
            UnreadableError: msgspec has no structs for these paths.
        """
        self.objects: list[Any] = []
        self._leaves = leaves
        self._take = take
        layers = [_tree(layer) for layer in _layers(paths)]
        self._decoders = [self._decoder(layer, () if n else shared) for n, layer in enumerate(layers)]

    def read(self, event: bytes) -> Any:
        """Read one event.

        Raises:
            UnreadableError: only the complete reading can tell what it holds, or whether it is an event.
        """
        try:
            if not event.isascii():
                event.decode()  # msgspec does not look into strings that it skips
            for decode in self._decoders:
                decode(event)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise UnreadableError from None
        if len(event) > _SHORTEST_TOO_DEEP and event.count(b"{") + event.count(b"[") > DEEPEST:
            raise UnreadableError

    def _decoder(self, tree: _Tree, shared: Collection[Segments]) -> Callable[[bytes], Any]:
        try:
            types = self._types(tree, (), shared)
            root = self._struct(types, counted=False)
        except ValueError as problem:  # quotation marks, control characters, lone surrogates in a key
            raise UnreadableError from problem
        return msgspec.json.Decoder(root, dec_hook=self._take, float_hook=Number).decode

    def _types(self, tree: _Tree, path: Segments, shared: Collection[Segments]) -> dict[Segments, Any]:
        """The types of all that is below an object, by their paths from there."""
        types: dict[Segments, Any] = {}
        for segment, below in tree.items():
            if isinstance(below, int):
                types[segment,] = self._leaves[below]
                continue
            here = (*path, segment)
            inner = self._types(below, here, shared)
            types[segment,] = _object_or_not(self._struct(inner, counted=here in shared))
            types |= {(segment, *rest): kind for rest, kind in inner.items()}
        return types

    def _struct(self, types: Mapping[Segments, Any], *, counted: bool) -> type[msgspec.Struct]:
        """The struct of an object, with attributes for its keys, and for keys with dots that lead further."""
        if len(types) > _WIDEST:
            raise UnreadableError
        names = {f"f{number}": ".".join(path) for number, path in enumerate(types)}
        fields = [(name, kind, msgspec.UNSET) for name, kind in zip(names, types.values(), strict=True)]
        namespace = {"__post_init__": self.objects.append} if counted else {}
        return msgspec.defstruct("Object", fields, rename=names, namespace=namespace, gc=False)


_Tree = dict[str, "_Tree | int"]
"""Paths by their segments: fields' numbers, or what is below."""


def _tree(paths: Mapping[Segments, int]) -> _Tree:
    root: _Tree = {}
    for (*outer, last), number in paths.items():
        tree = root
        for segment in outer:
            tree = tree.setdefault(segment, {})  # type: ignore[assignment] # no path leads through another
        tree[last] = number
    return root


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


def _object_or_not(struct: type[msgspec.Struct]) -> Any:
    """The type of an object, of whatever may stand in its place, and of arrays of these."""
    kind: Any = struct | str | int | float | bool | None
    for _ in range(_ARRAYS_IN_ARRAYS):
        kind = struct | str | int | float | bool | None | list[kind]
    return kind
