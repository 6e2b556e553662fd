"""The index: from an event to the names of the patterns that match it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.events import Event, canonical
from router.events.model import SPEC_ATTRIBUTES, text_of
from router.patterns.fields import Fields, read
from router.patterns.index.entries import Entries
from router.patterns.index.memo import Memo
from router.patterns.index.recording import REFUSALS, check
from router.patterns.index.scan import Scan
from router.patterns.index.text import Text
from router.patterns.index.tree import Hit, Node, Root
from router.patterns.match import branch_matches
from router.patterns.pattern import Pattern
from router.patterns.values import Number

_DATA = "data"
_TAKEN = frozenset((*SPEC_ATTRIBUTES, _DATA))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What all values of an event find together at the root of the tree.

    Attributes:
        names: of the patterns to which the branches belong.
        branches, nodes: as in `Hit`.
    """

    names: list[str]
    branches: tuple[int, ...]
    nodes: tuple[Node, ...]


class Index:
    """Patterns by name, compiled to be asked together. It never changes: for other patterns, make another."""

    def __init__(self, patterns: Mapping[str, Pattern]) -> None:
        entries = Entries.of(patterns)
        self._paths = entries.paths
        self._entries = entries.all
        self._careful = any(entry.nested for entry in self._entries)
        self._root = Root.of([entry.way for entry in self._entries if not entry.nested], len(self._paths))
        self._most = len(self._paths)
        self._outcomes = Memo(self._outcome, lambda outcome: len(outcome.branches))
        self._document = Text(self._root, entries, ())
        self._payload = Text(self._root, entries, (_DATA,))
        attributes = {path[0]: field for path, field in self._paths.items() if not path[1:]}
        self._data = attributes.pop(_DATA, None)
        self._attributes = [(name, attributes.pop(name)) for name in SPEC_ATTRIBUTES if name in attributes]
        self._extensions = attributes

    def match(self, event: bytes) -> list[str]:
        """The names of the patterns that match an event as JSON text, in the order of the mapping.

        Raises:
            EventError: it is not strict JSON with an object at its root, or its arrays are too entangled for
                a pattern (`match.MOST_STEPS`).
        """
        text = self._document
        idle = text.first.idle
        try:
            scan = idle.pop()
        except IndexError:
            scan = text.first.take()
        decode = scan.decode
        try:
            if not event.isascii():
                check(event)
            decode(event)
        except REFUSALS:
            scan.give_up()
            return self._complete(event)
        if not text.simple:
            return self._answer(text, scan, event)
        text.seen += 1
        found = scan.found
        if not found:
            idle.append(scan)
            return []
        outcome = self._outcomes[tuple(found if len(found) <= self._most else dict.fromkeys(found))]
        found.clear()
        idle.append(scan)
        if outcome.nodes:
            return self._read_again(text, outcome, event)
        return outcome.names.copy()

    def match_event(self, event: Event) -> list[str]:
        """The names of the patterns that match a CloudEvent: attributes, and the payload under `data`.

        Raises:
            EventError: as `match`, for the payload.
        """
        extensions = event.extensions
        if not _TAKEN.isdisjoint(extensions) or "." in "".join(extensions):
            return self._complete(event)  # illegal names, which say something twice, or what is data
        text = self._payload
        scan = text.first.take()
        try:
            if event.data is not None and event.is_json:
                check(event.data)
            self._fill(scan, event)
        except REFUSALS:
            scan.give_up()
            return self._complete(event)
        if not text.simple:
            return self._answer(text, scan, event)
        text.seen += 1
        outcome = self._outcomes[tuple(dict.fromkeys(scan.found))]
        scan.release()
        return self._read_again(text, outcome, event) if outcome.nodes else outcome.names.copy()

    def _fill(self, scan: Scan, event: bytes | Event) -> None:
        """Scan an event.

        Raises:
            ValueError: one of `REFUSALS`.
        """
        if not isinstance(event, Event):
            scan.decode(event)
            return
        for name, field in self._attributes:
            text = getattr(event, name)
            if text is not None:
                scan.leaves[field][text]
        for name, value in event.extensions.items():
            if name in self._extensions:
                scan.leaves[self._extensions[name]][canonical(value)]
        if event.data is None:
            return
        if event.is_json:
            scan.decode(event.data)
        elif self._data is not None:
            scan.leaves[self._data][text_of(event.data)]

    def _read_again(self, text: Text, outcome: _Outcome, event: bytes | Event) -> list[str]:
        """The answer for an event of which more has to be read."""
        text.reads_again()
        scan = text.later.take()
        try:
            self._fill(scan, event)
        except REFUSALS:
            scan.give_up()
            return self._complete(event)
        try:
            return self._further(text, outcome, scan, event)
        finally:
            scan.release()

    def _complete(self, event: bytes | Event) -> list[str]:
        """The answer for an event that takes the complete reading."""
        fields = read(event)
        scan = self._document.all.take()
        for path, number in self._paths.items():
            field = fields.at(path)
            for value, element in field.values if field else ():
                scan.leaves[number][value.text.encode() if isinstance(value, Number) else value]
                if element is not None:
                    scan.objects += (element, element)
        return self._answer(self._document, scan, event, fields)

    def _answer(
        self, text: Text, scan: Scan, event: bytes | Event, fields: Fields | None = None
    ) -> list[str]:
        """The answer for an event that was scanned wholly, and read completely as `fields`, if it was."""
        found = scan.found
        for field, hit in self._root.absences:
            if not scan.met[field]:
                found.append(hit)
        outcome = self._outcomes[tuple(dict.fromkeys(found))]
        try:
            return self._further(text, outcome, scan, event, fields)
        finally:
            scan.release()

    def _further(
        self, text: Text, outcome: _Outcome, scan: Scan, event: bytes | Event, fields: Fields | None = None
    ) -> list[str]:
        """The answer with what is to be asked beyond the root of the tree."""
        if not (outcome.nodes or text.loose):
            return outcome.names.copy()
        branches = {*outcome.branches}
        for node in outcome.nodes:
            node.collect(scan.met, branches)
        careful = self._careful or _entangled(scan.objects)
        if careful and text.loose:
            text.loose.collect(scan.met, branches)
        if len(branches) == len(outcome.branches):
            return outcome.names.copy()
        if careful:
            return self._checked(branches, fields or read(event))
        return self._names(branches)

    def _outcome(self, hits: tuple[Hit, ...]) -> _Outcome:
        """What these find together."""
        hit = Hit.together(hits)
        return _Outcome(self._names(hit.branches), hit.branches, hit.nodes)

    def _names(self, branches: Iterable[int]) -> list[str]:
        """The names of the patterns to which branches belong."""
        return list(dict.fromkeys(self._entries[number].name for number in sorted({*branches})))

    def _checked(self, branches: Iterable[int], fields: Fields) -> list[str]:
        """As `_names`, of those branches whose values can stand together in the event's arrays."""
        names: dict[str, None] = {}
        for number in sorted(branches):
            entry = self._entries[number]
            if entry.name not in names and (not entry.shared or branch_matches(entry.branch, fields)):
                names[entry.name] = None
        return list(names)


def _entangled(objects: Sequence[Any]) -> bool:
    """Whether at one place there are several objects in which fields of one pattern stand."""
    return len(objects) > 1 and len({*map(type, objects)}) < len(objects)
