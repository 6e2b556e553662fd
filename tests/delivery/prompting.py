"""A target that begins deliveries and answers them when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from router.config.expressions import compile_expression
from router.delivery.engine import OrderBy
from router.targets.base import Cause, Delivered, Message, Outcome, RetryLater
from tests.support import ScriptedTarget

EXPIRED = RetryLater("expired", 401, cause=Cause.MISDIRECTED)
ONE_KEY = OrderBy(compile_expression("source"))


class Held(ScriptedTarget):
    """Begins what it can, and holds the answers back.

    Attributes:
        begins: whether a message is begun; else `deliver` is asked for it.
        begun: what is under way: who is to be told, by the event's id, in the order of their beginnings.
        asked: the ids of the events that `deliver` was asked for.
        most: how many were under way at most, by either way.
    """

    is_prompt = True

    def __init__(self, *, concurrency: int = 4) -> None:
        super().__init__(concurrency=concurrency)
        self.begins: Callable[[Message], bool] = lambda _: True
        self.begun: dict[str, Callable[[object], None]] = {}
        self.asked: list[str] = []
        self.most = 0
        self.gate = anyio.Event()
        self.gate.set()
        self._asked_now = 0

    def begin(self, message: Message, done: Callable[[object], None]) -> bool:
        if not self.begins(message):
            return False
        self.begun[message.event.id] = done
        self._note(message)
        return True

    def outcome(self, answer: Outcome | None) -> Outcome | None:
        return answer

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        self.asked += [message.event.id for message in messages]
        self._asked_now += 1
        self._note(*messages)
        await self.gate.wait()
        self._asked_now -= 1
        return [self.decide(message) for message in messages]

    def answer(self, *ids: str, outcome: object = None) -> None:
        """Answer these in one turn of the loop, with `Delivered` if nothing else is said."""
        for one in ids or tuple(self.begun):
            self.begun.pop(one)(Delivered(200) if outcome is None else outcome)

    def _note(self, *messages: Message) -> None:
        self.seen.extend(messages)
        self.most = max(self.most, len(self.begun) + self._asked_now)
        self._arrived.set()
        self._arrived = anyio.Event()
