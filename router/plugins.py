"""Kinds that packages announce by entry points: the built-in ones, and anybody's.

A kind is imported when somebody asks for it, and once; what is wrong with it is told to those who use it, and
harms nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

from router.config.problems import did_you_mean
from router.errors import ConfigurationError

K = TypeVar("K")

_HERE = __name__.partition(".")[0]


class KindError(ConfigurationError):
    """There is no such kind, or it cannot be used.

    Attributes:
        hint: what to do about it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Plugins(Mapping[str, K]):
    """The kinds that are installed, by the word that YAML uses.

    Looking one up raises `KeyError` where there is none of that name, `KindError` where it cannot be used.

    Args:
        what: `source`, `target`.
        points: where they are. The router's own names are its own: nobody else's stands in for them.
        check: returns the kind that an entry point led to; raises `TypeError` where it is none.
    """

    def __init__(self, what: str, points: Iterable[EntryPoint], check: Callable[[Any], K]) -> None:
        self._what = what
        self._check = check
        self._points: dict[str, list[EntryPoint]] = {}
        self._kinds: dict[str, K] = {}
        for point in points:
            self._points.setdefault(point.name, []).append(point)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._points))

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, name: object) -> bool:
        return name in self._points

    def __getitem__(self, name: str) -> K:
        if name not in self._kinds:
            self._kinds[name] = self._load(name, self._points[name])
        return self._kinds[name]

    def kind(self, name: str) -> K:
        """The kind of that name.

        Raises:
            KindError: no such kind is installed, or its package cannot be imported.
        """
        if name not in self:
            hint = did_you_mean(name, self) or f"the kinds here are {', '.join(self)}"
            raise KindError(f"there is no kind of {self._what} called {name!r}", hint)
        return self[name]

    def _load(self, name: str, points: list[EntryPoint]) -> K:
        own = [point for point in points if point.value.startswith(f"{_HERE}.")]
        point, *others = own or points
        if others and not own:
            who = " and ".join(sorted(map(_package, points)))
            raise KindError(
                f"several packages announce the kind of {self._what} {name!r}: {who}",
                "uninstall all but one of them",
            )
        try:
            return self._check(point.load())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, too: a module is not the one that ends the router
            why = str(error) if isinstance(error, Exception) else f"{type(error).__name__}: {error}"
            what = f"the kind of {self._what} {name!r} cannot be loaded from {point.value}: {why}"
            raise KindError(what, "mend or reinstall the package it comes from") from error


def unusable(what: str, name: str, error: Exception) -> KindError:
    """What to say where the code of a kind raises what nobody should see.

    Args:
        what: `source`, `target`.
        name: the kind's word.
        error: what its code raised.
    """
    told = f"the kind of {what} {name!r} is broken: {type(error).__name__}: {error}"
    return KindError(told, "mend or reinstall the package it comes from")


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
