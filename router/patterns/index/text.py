"""How a kind of text is read: at first only the fields that are asked first."""

from __future__ import annotations

from router.patterns.index.entries import Entries
from router.patterns.index.recording import Segments
from router.patterns.index.scan import Scans
from router.patterns.index.tree import Node, Root

_ENOUGH = 100
_OFTEN = 0.25
"""If more events than this share have to be read again, everything is read at once."""


class Text:
    """How events as JSON text are read, or their payloads.

    Attributes:
        first: scans for an event's first reading.
        later: scans for its second, of the fields that are asked behind the root of the tree.
        all: scans for everything at once.
        simple: whether `first` is less than `all`. Then what it finds is all that need be known, unless it
            finds nodes.
        seen: events that were read while it was simple.
        loose: the node of the branches that may match although a test of absence fails, which may look into
            other array elements than those that the other fields have chosen. None if there are none.
    """

    def __init__(self, root: Root, entries: Entries, prefix: Segments) -> None:
        """Get ready for texts that hold the paths which begin with a prefix."""
        cut = len(prefix)
        paths = {
            path[cut:]: field for path, field in entries.paths.items() if path[:cut] == prefix and path[cut:]
        }
        shared = {path[cut:] for path in entries.shared if path[:cut] == prefix and path[cut:]}
        loose = [entry.loose_way for entry in entries.all if entry.loose_in(prefix)]
        absent = {field for field, _ in root.absences}
        behind = root.later | {test.field for way in loose for test in way.tests}
        self.loose = Node(loose) if loose else None
        self.later = Scans(paths, shared, (None,) * len(root.lookups), behind)
        self.all = Scans(paths, shared, root.lookups, behind | absent)
        self.simple = not (loose or absent)
        self.first = Scans(paths, (), root.lookups, ()) if self.simple else self.all
        self.seen = 0
        self._again = 0

    def reads_again(self) -> None:
        """Take note that an event has to be read a second time."""
        self._again += 1
        if self._again > _ENOUGH and self._again > _OFTEN * self.seen:
            self.simple = False
            self.first = self.all
