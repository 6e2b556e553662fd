"""The index: from an event to the names of the patterns that match it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property, partial
from typing import Any, Generic, TypeVar, overload

from router.events import Event
from router.patterns.fields import Fields, read
from router.patterns.index.entries import Entries
from router.patterns.index.envelope import DATA, Envelope
from router.patterns.index.found import Outcomes
from router.patterns.index.keyed import by_keys
from router.patterns.index.matcher import event_matcher, matcher
from router.patterns.index.recording import REFUSALS, check
from router.patterns.index.scan import Scan
from router.patterns.index.text import Text
from router.patterns.index.tree import Root
from router.patterns.match import branch_matches
from router.patterns.pattern import Pattern
from router.patterns.values import Number

T = TypeVar("T")


class Index(Generic[T]):
    """Patterns by name, compiled to be asked together. It never changes: for other patterns, make another.

    Args:
        conclude: what `match_event` makes of the names that it finds: a tuple, unless something else is
            said. It is asked once for what many events find, and must always give the same.
    """

    @overload
    def __init__(self: Index[tuple[str, ...]], patterns: Mapping[str, Pattern]) -> None: ...

    @overload
    def __init__(self, patterns: Mapping[str, Pattern], conclude: Callable[[list[str]], T]) -> None: ...

    def __init__(self, patterns: Mapping[str, Pattern], conclude: Callable[[list[str]], Any] = tuple) -> None:
        self._conclude: Callable[[list[str]], T] = conclude
        entries = Entries.of(patterns)
        self._paths = entries.paths
        self._entries = entries.all
        self._careful = any(entry.nested for entry in self._entries)
        self._keyed, others = by_keys(entry.way for entry in self._entries if not entry.nested)
        self._root = Root.of(others, len(self._paths))
        outcomes = Outcomes(self._names)
        self._document = Text(self._root, entries, outcomes, self._keyed, ())
        self._payload = Text(self._root, entries, outcomes, self._keyed, (DATA,))
        self._envelope = Envelope(self._paths)

    @cached_property
    def match(self) -> Callable[[bytes], list[str]]:
        """Gives the names of the patterns that match an event as JSON text, in the order of the mapping.

        Raises:
            EventError: it is not strict JSON with an object at its root, or its arrays are too entangled for
                a pattern (`match.MOST_STEPS`).
        """
        return matcher(self._document, partial(self._ask, self._document))

    @cached_property
    def match_event(self) -> Callable[[Event], T]:
        """As `match`, of a CloudEvent: attributes, and the payload under `data`."""
        ask = partial(self._ask, self._payload)
        return event_matcher(self._payload, ask, self._envelope.unwrap, self._conclude)

    def _ask(self, text: Text, event: bytes | Event) -> list[str]:
        """The answer for an event, read briefly if that was enough for the last one."""
        if text.briefly:
            scan = text.first.take()
            try:
                self._fill(scan, event)
                scan.look_up()
                found = scan.outcome()
            except REFUSALS:
                return self._complete(event)
            finally:
                scan.release()
            if found is not None:
                return found.settle().copy()
        scan = text.all.take()
        try:
            try:
                self._fill(scan, event)
            except REFUSALS:
                return self._complete(event)
            return self._answer(text, scan, event)
        finally:
            scan.release()

    def _fill(self, scan: Scan, event: bytes | Event) -> None:
        """Scan an event.

        Raises:
            ValueError: one of `REFUSALS`.
        """
        payload = self._envelope.unwrap(scan, event) if isinstance(event, Event) else event
        check(payload)
        scan.decode(payload)

    def _complete(self, event: bytes | Event) -> list[str]:
        """The answer for an event that takes the complete reading."""
        fields = read(event)
        scan = self._document.all.take()
        try:
            for path, number in self._paths.items():
                field = fields.at(path)
                for value, element in field.values if field else ():
                    scan.take(
                        scan.leaves[number], value.text.encode() if isinstance(value, Number) else value
                    )
                    if element is not None:
                        scan.objects += (element, element)
            return self._answer(self._document, scan, event, fields)
        finally:
            scan.release()

    def _answer(
        self, text: Text, scan: Scan, event: bytes | Event, fields: Fields | None = None
    ) -> list[str]:
        """The answer for an event that was scanned wholly, and read completely as `fields`, if it was."""
        scan.flatten()
        for field, hit in self._root.absences:
            if not scan.met[field]:
                scan.add(hit)
        scan.look_up()
        found = scan.found[0]
        names = found.settle()
        entangled = scan.entangled
        branches = {*found.branches}
        for node in found.nodes:
            node.collect(scan.met, branches)
        for keyed in self._keyed:
            for hit in keyed.find(scan.met):
                branches.update(hit.branches)
        if text.loose and (self._careful or entangled):
            text.loose.collect(scan.met, branches)
        tied = entangled and not text.tied.isdisjoint(branches)
        text.learn(enough=not tied if text.together else not (found.nodes or entangled))
        if len(branches) == len(found.branches):
            return names.copy()
        if self._careful or tied:
            return self._checked(branches, fields or read(event))
        return self._names(branches)

    def _names(self, branches: Collection[int]) -> list[str]:
        """The names of the patterns to which branches belong."""
        if len(branches) == 1:
            return [self._entries[number].name for number in branches]
        return list(dict.fromkeys(self._entries[number].name for number in sorted({*branches})))

    def _checked(self, branches: Iterable[int], fields: Fields) -> list[str]:
        """As `_names`, of those branches whose values can stand together in the event's arrays."""
        names: dict[str, None] = {}
        for number in sorted(branches):
            entry = self._entries[number]
            if entry.name not in names and (not entry.shared or branch_matches(entry.branch, fields)):
                names[entry.name] = None
        return list(names)
