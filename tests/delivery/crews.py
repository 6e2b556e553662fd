"""Targets that a crew works for, and a look at how they fare."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.lowlevel

from router.delivery.breaker import Breaker
from router.targets.base import Message, Outcome
from tests.delivery.house import House
from tests.support import ScriptedTarget


class Switch(ScriptedTarget):
    """Answers with `outcome`, which a test may change."""

    def __init__(self, outcome: Outcome, *, concurrency: int = 1, batch: int = 1) -> None:
        super().__init__(lambda _: self.outcome, concurrency=concurrency, batch=batch)
        self.outcome = outcome


class Gated(ScriptedTarget):
    """Answers when a test says so."""

    def __init__(self, *, concurrency: int = 1) -> None:
        super().__init__(concurrency=concurrency)
        self.go_on = anyio.Event()

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        found = await super().deliver(messages)
        await self.go_on.wait()
        return found


async def settle_down() -> None:
    """Let all tasks do what they can; quicker than `wait_all_tasks_blocked`, for what is done often."""
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


def condition(house: House, target: str = "a") -> Breaker:
    return house.engine.conditions()[target]
