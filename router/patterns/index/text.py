"""How a kind of text is read: at first only the fields that are asked first."""

from __future__ import annotations

from collections.abc import Sequence

from router.patterns.index.entries import Entries
from router.patterns.index.found import Outcomes
from router.patterns.index.keyed import Keyed
from router.patterns.index.recording import Segments
from router.patterns.index.scan import Scans
from router.patterns.index.together import Together
from router.patterns.index.tree import Node, Root

_REST = 100_000
"""After so many events tests are asked `together` again, where more was found than can be remembered. To
remember as much takes some 5,000 events, each of which takes several times as long as by the tree."""


class Text:
    """How events as JSON text are read, or their payloads.

    Attributes:
        first: scans for the fields that are asked at the root of the tree, or for all fields `together`. What
            they find is all that need be known, unless there are nodes in it.
        all: scans for everything.
        together: how `first` asks all tests in one pass; None if it does not.
        briefly: whether `first` is to be used for the next event. Never where it cannot find an absence.
        tied: the branches whose values may have to stand in the same object of an array.
        loose: the node of the branches that may match although a test of absence fails, which may look into
            other array elements than those that the other fields have chosen. None if there are none.
    """

    def __init__(
        self, root: Root, entries: Entries, outcomes: Outcomes, keyed: Sequence[Keyed], prefix: Segments
    ) -> None:
        """Get ready for texts that hold the paths which begin with a prefix."""
        cut = len(prefix)
        paths = {
            path[cut:]: field for path, field in entries.paths.items() if path[:cut] == prefix and path[cut:]
        }
        shared = {path[cut:] for path in entries.shared if path[:cut] == prefix and path[cut:]}
        loose = [entry.loose_way for entry in entries.all if entry.loose_in(prefix)]
        absent = {field for field, _ in root.absences}
        behind = root.later | {test.field for way in loose for test in way.tests}
        keys = {field for one in keyed for field in one.fields}
        self.loose = Node(loose) if loose else None
        self.tied = frozenset(entry.number for entry in entries.all if entry.tied_in(prefix))
        self.all = Scans(paths, shared, root.lookups, behind | absent | keys, keyed, outcomes)
        self.together = Together.of(root) if prefix and not loose else None
        if self.together:
            outcomes = Outcomes(outcomes.names, self.together, self.tied, self._tire)
            self.first = Scans(paths, shared, self.together.lookups, keys, keyed, outcomes)
        else:
            self.first = Scans(paths, shared if keys else (), root.lookups, keys, keyed, outcomes)
        self._simple = self.together is not None or not (loose or absent)
        self.briefly = self._simple
        self._rest = 0

    def learn(self, *, enough: bool) -> None:
        """Take note whether `first` was enough for an event, or would have been: the next may be alike."""
        if self._rest:
            self._rest -= 1
        self.briefly = enough and self._simple and not self._rest

    def _tire(self) -> None:
        """See that the tree is asked for a while: too few events find together what others have found."""
        self._rest = _REST
        self.briefly = False
