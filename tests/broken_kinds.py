"""Kinds of somebody's that are broken, each in its own way, and one that is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from pydantic import BaseModel, field_validator

from router.config.model import Shape
from router.sources.cloudevents import CloudEventsSettings, CloudEventsSource
from router.sources.settings import SourceSettings
from router.targets.base import Surroundings, Target
from tests.support import ScriptedTarget


class RaisingSettings(Shape):
    """Their validator raises what no validator should."""

    word: str = ""

    @field_validator("word")
    @classmethod
    def _broken(cls, word: str) -> str:
        raise KeyError(word)


class ClaimingSettings(Shape):
    """Their claim cannot be had."""

    def claim(self) -> str | None:
        raise RuntimeError("no claim")


class UndescribableSettings(Shape):
    """There is no JSON Schema of them."""

    word: Callable[[], str] | None = None


class _Kind:
    @asynccontextmanager
    async def open(self, settings: BaseModel, surroundings: Surroundings) -> AsyncIterator[Target]:
        yield ScriptedTarget()


class RaisingKind(_Kind):
    settings: type[BaseModel] = RaisingSettings


class ClaimingKind(_Kind):
    settings: type[BaseModel] = ClaimingSettings


class UndescribableKind(_Kind):
    settings: type[BaseModel] = UndescribableSettings


class PlainSource(CloudEventsSource):
    """It is not broken."""

    __slots__ = ()
    kind: ClassVar[str] = "plain"
    paths: ClassVar[tuple[str, ...]] = ("/plain",)


class RaisingShape(SourceSettings):
    """Its validator raises what no validator should."""

    @field_validator("kind")
    @classmethod
    def _broken(cls, kind: str) -> str:
        raise KeyError(kind)


class RaisingShapeSource(PlainSource):
    __slots__ = ()
    shape: ClassVar[type[SourceSettings]] = RaisingShape


class RaisingSource(PlainSource):
    """It cannot be made."""

    __slots__ = ()

    def __post_init__(self) -> None:
        raise RuntimeError("no source")


class LonelyShape(CloudEventsSettings):
    """The kind beside it is nowhere."""

    @property
    def also(self) -> tuple[str, dict[str, Any]] | None:
        return "missing", {}


class LonelySource(PlainSource):
    __slots__ = ()
    shape: ClassVar[type[SourceSettings]] = LonelyShape


class RaisingCompanionShape(CloudEventsSettings):
    """It cannot say what is beside it."""

    @property
    def also(self) -> tuple[str, dict[str, Any]] | None:
        raise RuntimeError("no companion")


class RaisingCompanionSource(PlainSource):
    __slots__ = ()
    shape: ClassVar[type[SourceSettings]] = RaisingCompanionShape
