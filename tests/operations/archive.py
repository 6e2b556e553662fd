"""Archives to ask questions of, and the little that these questions need."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from router.events import Event
from router.store.base import Attempt, Record, Route, Settlement, State, Store

T = TypeVar("T")


def at(seconds: float) -> datetime:
    """A moment."""
    return datetime.fromtimestamp(seconds, UTC)


def routed(
    number: int,
    *targets: str,
    received: float = 1_800_000_000.0,
    rule: str = "rule",
    type_: str = "test.event",
    source: str = "/tests",
    subject: str | None = None,
    notes: Sequence[str] = (),
) -> Record:
    """A record whose event has `number` as its id."""
    return Record(
        event=Event(
            id=str(number), source=source, type=type_, subject=subject, data=b'{"n": 1.0, "id": %d}' % number
        ),
        source="events",
        received=received,
        version="v1",
        routes=tuple(Route(target, "", (rule,)) for target in targets),
        notes=tuple(notes),
    )


async def kill(
    store: Store, target: str, count: int, *, now: float = 1_800_000_000.0, error: str = "answered 400"
) -> list[str]:
    """Let the next deliveries of a target become dead letters; their ids."""
    claimed = list(await store.claim(target, count))
    assert len(claimed) == count
    attempt = Attempt(at=now, seconds=0.25, status=400, error=error, answer="no, thank you")
    await store.settle([Settlement(delivery=one, state=State.DEAD, attempt=attempt) for one in claimed])
    return [one.id for one in claimed]


async def all_of(items: AsyncIterable[T]) -> list[T]:
    """Everything, as a list."""
    return [item async for item in items]


def numbers(events: Iterable[Event]) -> list[int]:
    """The events' numbers."""
    return [int(event.id) for event in events]
