"""The index: from an event to the names of the patterns that match it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.events import Event, canonical
from router.events.model import SPEC_ATTRIBUTES, text_of
from router.patterns.fields import Fields, read
from router.patterns.index.entries import Entries
from router.patterns.index.lookup import Lookup
from router.patterns.index.memo import Memo
from router.patterns.index.recording import REFUSALS, check
from router.patterns.index.scan import Scan, Scans
from router.patterns.index.tree import Hit, Node, lookups, split
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
        behind = split([entry.way for entry in self._entries if not entry.nested])
        root = lookups(behind)
        self._absences = [(field, lookup.absent) for field, lookup in root.items() if lookup.absent]
        loose = [entry.loose_way for entry in self._entries if entry.loose]
        self._loose = Node(loose) if loose else None
        later = [way for ways in behind.values() for way in ways] + loose
        kept = {test.field for way in later for test in way.tests} | {field for field, _ in self._absences}
        self._asks_later = bool(kept or loose)
        self._most = len(root)
        self._outcomes = Memo(self._outcome, lambda outcome: len(outcome.branches))
        self._prepare(root, kept)

    def _prepare(self, root: Mapping[int, Lookup[Hit]], kept: Collection[int]) -> None:
        """Get ready to read events, as JSON text and as CloudEvents."""
        at_root = [root.get(field) for field in range(len(self._paths))]
        shared = {path for entry in self._entries for path in entry.shared}
        self._documents = Scans(self._paths, shared, at_root, kept)
        below = {path[1:]: field for path, field in self._paths.items() if path[0] == _DATA and path[1:]}
        shared_below = {path[1:] for path in shared if path[0] == _DATA}
        self._payloads = Scans(below, shared_below, at_root, kept)
        attributes = {path[0]: field for path, field in self._paths.items() if not path[1:]}
        self._data = attributes.pop(_DATA, None)
        self._attributes = [(name, attributes.pop(name)) for name in SPEC_ATTRIBUTES if name in attributes]
        self._extensions = attributes
        self._idle = self._documents.idle

    def match(self, event: bytes) -> list[str]:
        """The names of the patterns that match an event as JSON text, in the order of the mapping.

        Raises:
            EventError: it is not strict JSON with an object at its root, or its arrays are too entangled for
                a pattern (`match.MOST_STEPS`).
        """
        try:
            scan = self._idle.pop()
        except IndexError:
            scan = self._documents.take()
        decode = scan.decode
        try:
            if not event.isascii():
                check(event)
            decode(event)
        except REFUSALS:
            scan.release()
            return self._complete(event)
        if self._asks_later:
            return self._answer(scan, event)
        found = scan.found
        if any(scan.numbers):
            scan.look()
        names = []
        if found:
            if len(found) > self._most:
                found[:] = dict.fromkeys(found)
            names = self._outcomes[tuple(found)].names.copy()
            found.clear()
        self._idle.append(scan)
        return names

    def match_event(self, event: Event) -> list[str]:
        """The names of the patterns that match a CloudEvent: attributes, and the payload under `data`.

        Raises:
            EventError: as `match`, for the payload.
        """
        extensions = event.extensions
        if not _TAKEN.isdisjoint(extensions) or "." in "".join(extensions):
            return self._complete(event)  # illegal names, which say something twice, or what is data
        scan = self._payloads.take()
        try:
            for name, field in self._attributes:
                text = getattr(event, name)
                if text is not None:
                    scan.take(scan.leaves[field], text)
            for name, value in extensions.items():
                if name in self._extensions:
                    scan.take(scan.leaves[self._extensions[name]], canonical(value))
            if event.data is not None:
                self._take_payload(scan, event.data, is_json=event.is_json)
        except REFUSALS:
            scan.release()
            return self._complete(event)
        return self._answer(scan, event)

    def _take_payload(self, scan: Scan, payload: bytes, *, is_json: bool) -> None:
        if is_json:
            check(payload)
            scan.decode(payload)
        elif self._data is not None:
            scan.take(scan.leaves[self._data], text_of(payload))

    def _complete(self, event: bytes | Event) -> list[str]:
        """The answer for an event that takes the complete reading."""
        fields = read(event)
        scan = self._documents.take()
        for path, number in self._paths.items():
            field = fields.at(path)
            for value, element in field.values if field else ():
                scan.take(scan.leaves[number], value.text.encode() if isinstance(value, Number) else value)
                if element is not None:
                    scan.objects += (element, element)
        return self._answer(scan, event, fields)

    def _answer(self, scan: Scan, event: bytes | Event, fields: Fields | None = None) -> list[str]:
        """The answer for an event that was scanned, and that was read completely as `fields`, or can be."""
        found = scan.found
        if any(scan.numbers):
            scan.look()
        if self._absences:
            found += [hit for field, hit in self._absences if not scan.met[field]]
        if len(found) > self._most:
            found[:] = dict.fromkeys(found)
        outcome = self._outcomes[tuple(found)]
        try:
            if outcome.nodes or self._loose:
                return self._further(outcome, scan, event, fields)
            return outcome.names.copy()
        finally:
            scan.release()

    def _further(
        self, outcome: _Outcome, scan: Scan, event: bytes | Event, fields: Fields | None
    ) -> list[str]:
        """The answer where there are tests to be asked beyond the root of the tree."""
        branches = {*outcome.branches}
        for node in outcome.nodes:
            node.collect(scan.met, branches)
        careful = self._careful or _entangled(scan.objects)
        if careful and self._loose:
            self._loose.collect(scan.met, branches)
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
