"""What the values of an event find together.

Hits are not collected to be looked up together in the end: each leads from what was found so far to what is
found with it. Most events go ways that others have gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from router.patterns.index.tree import Hit, Node

_MOST = 100_000
"""What everything that is remembered may weigh."""
_STEP = 10
"""The weight of a step from some hits to one more."""
_MANY = 16
"""Of more hits than these, it is not remembered what they find together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What hits find together.

    Attributes:
        names: of the patterns to which the branches belong.
        branches, nodes: as in `Hit`.
    """

    names: list[str]
    branches: tuple[int, ...]
    nodes: tuple[Node, ...]


class Outcomes:
    """What hits find together, as far as it is remembered.

    Attributes:
        start: no hits yet.
    """

    def __init__(self, names: Callable[[Iterable[int]], list[str]]) -> None:
        """Remember nothing yet; `names` gives the names of the patterns to which branches belong."""
        self.start = Found({}, self)
        self._names = names
        self._room = _MOST

    def of(self, hits: Iterable[Hit]) -> Outcome:
        """What these find together."""
        hit = Hit.together([*hits])
        self.remember(len(hit.branches))
        return Outcome(self._names(hit.branches), hit.branches, hit.nodes)

    def remember(self, weight: int) -> None:
        """Make room for something, if need be by forgetting everything."""
        self._room -= weight
        if self._room < 0:
            self._room = _MOST
            self.start.clear()


class Found(dict[Hit, "Found"]):
    """Some hits; by each further hit what is found with it.

    Attributes:
        known: what they find together, if it is known.
    """

    __slots__ = ("_hits", "_outcomes", "known")

    def __init__(self, hits: dict[Hit, None], outcomes: Outcomes) -> None:
        super().__init__()
        self.known: Outcome | None = None
        self._hits = hits
        self._outcomes = outcomes

    def __missing__(self, hit: Hit) -> Found:
        if hit in self._hits:
            self[hit] = self
            return self
        hits = {**self._hits, hit: None}
        if len(hits) > _MANY:
            return _Many(hits, self._outcomes)
        self[hit] = further = Found(hits, self._outcomes)
        self._outcomes.remember(_STEP)
        return further

    def outcome(self) -> Outcome:
        """What they find together."""
        known = self.known
        if known is None:
            known = self.known = self._outcomes.of(self._hits)
        return known


class _Many(Found):
    """The many hits of one event."""

    __slots__ = ()

    def __missing__(self, hit: Hit) -> Found:
        self._hits[hit] = None
        return self
