"""What is remembered of fetched certificates: the ones that a push has proved apart from those merely named.

Whoever knows the router's address can name others' certificates; that must not cost it those in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 64
"""How many are remembered of each sort: some 30 regions have one each, and a successor now and then."""

PAUSE = 300.0
"""Seconds after which one that does not serve may be fetched again, from the same address."""


@dataclass(frozen=True, slots=True)
class _Found(Generic[T]):
    """What was found at an address, and when a request asked for it, in seconds since the epoch."""

    content: T
    asked: float


class Learnt(Generic[T]):
    """What was found, by its address."""

    def __init__(self) -> None:
        self._named: dict[str, _Found[T]] = {}
        self._proved: dict[str, _Found[T]] = {}

    def at(self, url: str) -> T | None:
        """What is known to be there; None for nothing."""
        found = self._proved.get(url) or self._named.get(url)
        return None if found is None else found.content

    def learn(self, url: str, content: T, asked: float) -> None:
        """Remember it, in place of what was there before."""
        if url in self._proved:
            self._proved[url] = _Found(content, asked)
        else:
            _put(self._named, url, _Found(content, asked))

    def prove(self, url: str) -> None:
        """A push fits it: only others of which that is true, and was so later, can take its place."""
        found = self._proved.pop(url, None) or self._named.pop(url, None)
        if found is not None:
            _put(self._proved, url, found)

    def forget(self, url: str) -> None:
        """It is of no use."""
        self._named.pop(url, None)
        self._proved.pop(url, None)

    def is_due(self, url: str, now: float) -> bool:
        """Whether it may be fetched once more: its owner may have put another in its place."""
        found = self._proved.get(url) or self._named.get(url)
        return found is not None and abs(now - found.asked) >= PAUSE


def _put(where: dict[str, _Found[T]], url: str, found: _Found[T]) -> None:
    where[url] = found
    while len(where) > MOST:
        del where[next(iter(where))]
