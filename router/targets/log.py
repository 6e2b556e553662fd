"""The `log` kind: one structured line on standard output for each message."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, TextIO

import structlog
from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, ConfigDict

from router.events.model import text_of
from router.targets.base import Delivered, Message, Outcome, RetryLater, Surroundings, Target
from router.telemetry import log

DATA_CHARACTERS: Final = 2048
"""How much of a payload a line shows."""


class LogSettings(BaseModel):
    """What stands under `log:`.

    Attributes:
        level: the level that the lines carry. They are written whatever level the router's own log has.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Literal["debug", "info", "warning", "error"] = "info"


class LogTarget:
    """Writes lines to a stream, in a thread: a reader that stalls must not stall the router."""

    batch = 100
    concurrency = 1

    def __init__(self, name: str, level: str, stream: TextIO) -> None:
        self._level = log.LEVELS[level]
        self._limiter = CapacityLimiter(1)
        self._logger = structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=log.processors(stream),
            wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
            target=name,
        )

    async def deliver(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `Target.deliver`."""
        return await to_thread.run_sync(self._write, messages, limiter=self._limiter)

    def _write(self, messages: Sequence[Message]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for message in messages:
            try:
                self._logger.log(self._level, "event.routed", **_fields(message))
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                reason = f"standard output cannot be written to: {error}"
                return outcomes + [RetryLater(reason)] * (len(messages) - len(outcomes))
            outcomes.append(Delivered())
        return outcomes


def _fields(message: Message) -> dict[str, Any]:
    event = message.event
    content = event.data if message.body is None else message.body.content
    fields: dict[str, Any] = {"type": event.type, "source": event.source}
    if event.subject is not None:
        fields["subject"] = event.subject
    fields |= {"id": event.id, "rules": list(message.rules), "delivery": message.id}
    if content is not None:
        text = text_of(content)
        fields["data"] = text if len(text) <= DATA_CHARACTERS else text[:DATA_CHARACTERS] + "…"
    return fields


class LogKind:
    """The kind of target named `log`."""

    settings: type[BaseModel] = LogSettings

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    @asynccontextmanager
    async def open(self, settings: LogSettings, surroundings: Surroundings) -> AsyncIterator[Target]:
        """See `Kind.open`."""
        yield LogTarget(surroundings.name, settings.level, self._stream or sys.stdout)
