"""Reading an event's fields: msgspec decodes those that patterns read, and skips everything else.

Decoding to objects would lose what matters here: of a key that stands twice only the last value would
remain, and of a number only its value, not its spelling. So no object keeps a value. Every field has a type
of its own that msgspec knows nothing about, and msgspec asks for an instance whenever it meets the field:

    Decoder(Root, dec_hook=take, float_hook=str.encode)  # take(Leaf, value), for each value of a field

So `take` gets all values in their order. They are str, int, bool and None; numbers with a fraction or an
exponent as their text in bytes; arrays as lists, objects as dicts. Objects are counted in a like way where it
matters that there are several.

What msgspec refuses or cannot tell apart is left to the complete reading (`fields.read`): lone surrogates,
integers of more than 4,300 digits, objects in arrays nested more than three deep, and all that is no event.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import is_
from typing import Any

import msgspec

from router.patterns.jsontext import DEEPEST

Segments = tuple[str, ...]

Take = Callable[[type, Any], object]
"""Takes a value of the field with this type; gives an instance of the type."""

_ARRAYS_IN_ARRAYS = 3
_WIDEST = 1_000
"""Keys of one object. msgspec looks for a key among all of them: with more, reading all is quicker."""


class UnreadableError(ValueError):
    """It takes the complete reading."""


REFUSALS = (msgspec.MsgspecError, ValueError, RecursionError)
"""What reading raises where only the complete reading can tell what an event holds, or whether it is one."""


def check(event: bytes) -> None:
    """See that skipped strings are UTF-8, too, which msgspec does not. ASCII need not be checked.

    Raises:
        ValueError: one of `REFUSALS`.
    """
    if not event.isascii():
        event.decode()


def _nests_deeper() -> bool:
    """Whether msgspec may go deeper than events may be nested: it stops where the interpreter does."""
    return sys.version_info >= (3, 12) or sys.getrecursionlimit() > DEEPEST


def _shallow(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A decoder that refuses what is nested too deeply."""

    def decode_shallow(event: bytes) -> Any:
        if len(event) > 2 * DEEPEST and event.count(b"{") + event.count(b"[") > DEEPEST:
            raise UnreadableError
        return decode(event)

    return decode_shallow


class Reader:
    """Reads some fields of events.

    Attributes:
        decode: reads an event that is checked, giving `take` its values, and returns the root's struct. It
            raises one of `REFUSALS` if it cannot.
        objects: a struct for each object at a shared path that was met.
    """

    def __init__(
        self,
        paths: Mapping[Segments, int],
        leaves: Sequence[type],
        several: Sequence[type],
        shared: Collection[Segments],
        take: Take,
    ) -> None:
        """Get ready to read the fields at some paths, each with the number of its types.

        Args:
            paths: the fields.
            leaves: the types of their values.
            several: those of values that stand in arrays of objects.
            shared: where objects are counted.
            take: gets the values.

        Raises:
            UnreadableError: msgspec has no structs for these paths.
        """
        self.objects: list[Any] = []
        self._leaves = leaves
        self._several = several
        self._take = take
        first, *others = [
            self._decoder(tree_of(layer), () if n else shared) for n, layer in enumerate(_layers(paths))
        ]
        decode = _all(first, others) if others else first
        self.decode = _shallow(decode) if _nests_deeper() else decode

    def _decoder(self, tree: Tree, shared: Collection[Segments]) -> Callable[[bytes], Any]:
        try:
            types, _ = self._types(tree, (), shared)
            root = self._struct(types, counted=False)
        except ValueError as problem:  # quotation marks, control characters, lone surrogates in a key
            raise UnreadableError from problem
        return msgspec.json.Decoder(root, dec_hook=self._take, float_hook=str.encode).decode

    def _types(
        self, tree: Tree, path: Segments, shared: Collection[Segments]
    ) -> tuple[dict[Segments, Any], dict[Segments, Any]]:
        """The types of all that is below an object, by their paths from there, nearest first.

        The same once more for an object that stands in an array.
        """
        types: dict[Segments, Any] = {}
        apart: dict[Segments, Any] = {}
        further: dict[Segments, Any] = {}
        further_apart: dict[Segments, Any] = {}
        for segment, below in tree.items():
            if isinstance(below, int):
                types[segment,], apart[segment,] = self._leaves[below], self._several[below]
                continue
            here = (*path, segment)
            inner, inner_apart = self._types(below, here, shared)
            struct = element = self._struct(inner_apart, counted=here in shared)
            if inner is not inner_apart and here not in shared:  # what is counted has one type everywhere
                struct = self._struct(inner, counted=False)
            apart[segment,] = kind = _object_or_not(element, element)
            types[segment,] = kind if struct is element else _object_or_not(struct, element)
            further |= {(segment, *rest): kind for rest, kind in inner.items()}
            further_apart |= {(segment, *rest): kind for rest, kind in inner_apart.items()}
        types |= further
        apart |= further_apart
        return types, types if all(map(is_, types.values(), apart.values())) else apart

    def _struct(self, types: Mapping[Segments, Any], *, counted: bool) -> type[msgspec.Struct]:
        """The struct of an object, with attributes for its keys, and for keys with dots that lead further."""
        if len(types) > _WIDEST:
            raise UnreadableError
        names = {f"f{number}": ".".join(path) for number, path in enumerate(types)}
        fields = [(name, kind, msgspec.UNSET) for name, kind in zip(names, types.values(), strict=True)]
        namespace = {"__post_init__": self.objects.append} if counted else {}
        return msgspec.defstruct("Object", fields, rename=names, namespace=namespace, gc=False)


def _all(first: Callable[[bytes], Any], others: Sequence[Callable[[bytes], Any]]) -> Callable[[bytes], Any]:
    def decode(event: bytes) -> Any:
        for other in others:
            other(event)
        return first(event)

    return decode


Tree = dict[str, "Tree | int"]
"""Paths by their segments: fields' numbers, or what is below."""


def tree_of(paths: Mapping[Segments, int]) -> Tree:
    """Paths as a tree; none leads through another."""
    root: Tree = {}
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


def _object_or_not(struct: type[msgspec.Struct], element: type[msgspec.Struct]) -> Any:
    """The type of an object, of whatever may stand in its place, and of arrays of these."""
    kind: Any = element | str | int | float | bool | None
    for _ in range(_ARRAYS_IN_ARRAYS - 1):
        kind = element | str | int | float | bool | None | list[kind]
    return struct | str | int | float | bool | None | list[kind]
