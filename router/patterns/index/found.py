"""What the values of an event find together.

Hits are not collected to be looked up together in the end: each leads from what was found so far to what is
found with it. Most events go ways that others have gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from router.patterns.index.together import Together
from router.patterns.index.tree import Hit, Node

_MOST = 100_000
"""What everything that is remembered may weigh."""
_STEP = 5
"""The weight of a step from some hits to one more."""
_MANY = 16
"""Of more hits than these, it is not remembered what they find together."""


class Outcomes:
    """What hits find together, as far as it is remembered.

    Attributes:
        start: no hits.
        names: gives the names of the patterns to which branches belong.
        together: what resolves hits, if they tell which tests pass.
        tied: the branches whose values may have to stand in the same object of an array.
    """

    def __init__(
        self,
        names: Callable[[Collection[int]], list[str]],
        together: Together | None = None,
        tied: AbstractSet[int] = frozenset(),
        full: Callable[[], None] | None = None,
    ) -> None:
        """Remember nothing yet; call `full` whenever there was too much to remember."""
        self.names = names
        self.together = together
        self.tied = tied
        self._full = full
        self.start = Found((), self)
        self._room = _MOST

    def remember(self, weight: int) -> None:
        """Make room for something, if need be by forgetting everything."""
        self._room -= weight
        if self._room < 0:
            self._room = _MOST
            self.start.clear()
            if self._full:
                self._full()


class Found(dict[Hit, "Found"]):
    """Some hits; by each further hit what is found with it.

    Attributes:
        names: of the patterns to which the branches belong; None as long as it is not settled.
        concluded: what whoever asks makes of these names, once he has; None if there are nodes.
        branches, nodes: as in `Hit`, as soon as it is settled.
        tied: whether some of the branches are tied.
    """

    __slots__ = ("_hits", "_outcomes", "branches", "concluded", "names", "nodes", "tied")

    def __init__(self, hits: Sequence[Hit], outcomes: Outcomes) -> None:
        self.names: list[str] | None = None
        self.concluded: Any = None
        self.branches: tuple[int, ...] = ()
        self.nodes: tuple[Node, ...] = ()
        self.tied = False
        self._hits = hits
        self._outcomes = outcomes

    def __missing__(self, hit: Hit) -> Found:
        if hit in self._hits:
            self[hit] = self
            return self
        if len(self._hits) == _MANY:
            return _Many([*self._hits, hit], self._outcomes)
        self[hit] = further = Found((*self._hits, hit), self._outcomes)
        self._outcomes.remember(_STEP)
        return further

    def settle(self) -> list[str]:
        """Find out what the hits find together; gives the names."""
        if self.names is not None:
            return self.names
        hit = self._hits[0] if len(self._hits) == 1 else Hit.together(dict.fromkeys(self._hits))
        if self._outcomes.together:
            hit = self._outcomes.together.resolved(hit)
        self.branches, self.nodes = hit.branches, hit.nodes
        self.tied = not self._outcomes.tied.isdisjoint(hit.branches)
        self.names = names = self._outcomes.names(hit.branches)
        self._outcomes.remember(len(hit.branches))
        return names


class _Many(Found):
    """The many hits of one event, which are not remembered."""

    __slots__ = ()
    _hits: list[Hit]

    def __missing__(self, hit: Hit) -> Found:
        self._hits.append(hit)
        return self
