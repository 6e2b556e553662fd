"""Finds the kinds of target: entry points of the group `router.targets`, the built-in three included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from pydantic import BaseModel

from router.config.problems import did_you_mean
from router.errors import ConfigurationError
from router.targets.base import Kind

GROUP = "router.targets"


class KindError(ConfigurationError):
    """There is no such kind of target.

    Attributes:
        hint: what to do about it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Registry:
    """The kinds that are installed. Each is imported when the first target asks for it, and once."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._points = {point.name: point for point in points}
        self._kinds: dict[str, Kind] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._points))

    def __contains__(self, name: object) -> bool:
        return name in self._points

    def kind(self, name: str) -> Kind:
        """The kind of that name.

        Raises:
            KindError: no such kind is installed, or its package cannot be imported.
        """
        if name not in self._kinds:
            self._kinds[name] = self._load(name)
        return self._kinds[name]

    def _load(self, name: str) -> Kind:
        point = self._points.get(name)
        if point is None:
            hint = did_you_mean(name, self) or f"the kinds here are {', '.join(self)}"
            raise KindError(f"there is no kind of target called {name!r}", hint)
        try:
            return _checked(point.load())
        except Exception as error:
            what = f"the kind of target {name!r} cannot be loaded from {point.value}: {error}"
            raise KindError(what, "mend or reinstall the package it comes from") from error


def _checked(found: Any) -> Kind:
    kind = found() if isinstance(found, type) else found
    settings = getattr(kind, "settings", None)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise TypeError("it is no kind of target: its `settings` is no pydantic model")
    return cast("Kind", kind)


def installed_kinds() -> Registry:
    """The kinds of every package in this environment."""
    return Registry(entry_points(group=GROUP))
