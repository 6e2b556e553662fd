"""Finds the kinds of source: entry points of the group `router.sources`, the built-in ones included."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from router.errors import ConfigurationError
from router.plugins import Plugins
from router.sources.base import Source
from router.sources.settings import SourceSettings

GROUP = "router.sources"

USUAL = ("cloudevents", "alibaba", "openapi", "baidu", "tencent", "aws")
"""The kinds that listen where no file says who may send: installing a package opens no door by itself."""


class Registry(Plugins[type[Source]]):
    """The kinds of source that are installed."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        super().__init__("source", points, _checked)


def _checked(found: Any) -> type[Source]:
    shape = getattr(found, "shape", None)
    if not (isinstance(found, type) and isinstance(shape, type) and issubclass(shape, SourceSettings)):
        raise TypeError("it is no kind of source: it is no class whose `shape` is made from SourceSettings")
    return cast("type[Source]", found)


@cache
def installed_sources() -> Registry:
    """The kinds of every package in this environment, looked for once.

    Raises:
        ConfigurationError: the built-in ones are not among them.
    """
    found = Registry(entry_points(group=GROUP))
    if not set(USUAL) <= set(found):
        raise ConfigurationError(
            "this installation does not announce the router's own kinds of source: it was made from an older "
            "version of the code; install it again (in a checkout: pip install -e .)"
        )
    return found
