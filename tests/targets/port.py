"""A kind of target as a package of one's own may have it: its settings claim something."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel

from router.targets.base import Surroundings, Target
from tests.support import ScriptedTarget


class PortSettings(BaseModel):
    """What stands under `port:`; without a number there is nothing to claim."""

    number: int | None = None

    def claim(self) -> str | None:
        """See `router.targets.base.Exclusive`."""
        return None if self.number is None else f"port {self.number}"


class PortKind:
    """The kind of target named `port`."""

    settings: type[BaseModel] = PortSettings

    @asynccontextmanager
    async def open(self, settings: PortSettings, surroundings: Surroundings) -> AsyncIterator[Target]:
        """See `Kind.open`."""
        yield ScriptedTarget()
