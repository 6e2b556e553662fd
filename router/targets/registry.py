"""Finds the kinds of target: entry points of the group `router.targets`, the built-in three included."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from pydantic import BaseModel

from router.plugins import Plugins
from router.targets.base import Kind

GROUP = "router.targets"


class Registry(Plugins[Kind]):
    """The kinds of target that are installed."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        super().__init__("target", points, _checked)


def _checked(found: Any) -> Kind:
    kind = found() if isinstance(found, type) else found
    settings = getattr(kind, "settings", None)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise TypeError("it is no kind of target: its `settings` is no pydantic model")
    return cast("Kind", kind)


def installed_kinds() -> Registry:
    """The kinds of every package in this environment."""
    return Registry(entry_points(group=GROUP))
