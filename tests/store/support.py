"""What the store's tests share: a clock that is set by hand, records, and ways to look into a store."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio

from router.events import Event
from router.store.base import Attempt, Delivery, Record, Route, Settlement, Standing, State, Store
from router.store.layout import connect, create
from router.store.ledger import Limits
from router.store.log.salvage import readable
from router.store.queries import EVENTS
from router.store.sqlite import SqliteStore

EPOCH = 1_700_000_000.0
"""When every fake clock starts, seconds since the epoch."""

PATIENCE = 30.0
"""Seconds after which a wait that must end is called a hang."""


Open = Callable[[Path], SqliteStore]
"""Opens the SQLite store of a folder, closed when the test ends."""

OpenLimited = Callable[[Path, Limits], SqliteStore]
"""Likewise, with segments of that size."""


class FakeClock:
    """A clock that stands until it is set."""

    def __init__(self, now: float = EPOCH) -> None:
        self._now = now
        self._moved = anyio.Event()

    def now(self) -> float:
        return self._now

    def set(self, when: float) -> None:
        self._now = when
        self._moved.set()
        self._moved = anyio.Event()

    def advance(self, seconds: float) -> None:
        self.set(self._now + seconds)

    async def sleep_until(self, when: float) -> None:
        while self._now < when:
            await self._moved.wait()


def event(name: str = "e", data: bytes | None = b"{}") -> Event:
    return Event(id=name, source="/tests", type="test", data=data)


def record(*targets: str | Route, name: str = "e", data: bytes | None = b"{}") -> Record:
    """An event that goes to `targets`."""
    routes = tuple(Route(target) if isinstance(target, str) else target for target in targets)
    return Record(event=event(name, data), source="events", received=EPOCH, version="v1", routes=routes)


def attempt(at: float = EPOCH, error: str | None = "refused", answer: str = "") -> Attempt:
    return Attempt(at=at, seconds=0.25, status=None if error is None else 500, error=error, answer=answer)


def delivered(delivery: Delivery) -> Settlement:
    return Settlement(delivery=delivery, state=State.DELIVERED, attempt=attempt(error=None))


def retrying(delivery: Delivery, due: float) -> Settlement:
    return Settlement(delivery=delivery, state=State.RETRYING, attempt=attempt(), due=due)


def dead(delivery: Delivery) -> Settlement:
    return Settlement(delivery=delivery, state=State.DEAD, attempt=attempt())


async def claim(store: Store, target: str, most: int = 1_000) -> Sequence[Delivery]:
    """Claim what is known to be there: to wait for it is to hang."""
    with anyio.fail_after(PATIENCE):
        return await store.claim(target, most)


async def claim_one(store: Store, target: str) -> Delivery:
    [delivery] = await claim(store, target, 1)
    return delivery


async def drain(store: Store, target: str) -> list[Delivery]:
    """Claim everything that can be claimed, and nothing else.

    A probe tells when that is, without waiting for what does not come: what is claimed after it is not there.
    """
    [probe] = await store.append([record(target, name="probe")])
    found: list[Delivery] = []
    while not found or found[-1].sequence != probe:
        found.extend(await claim(store, target))
        found.sort(key=lambda delivery: delivery.sequence == probe)
    await store.settle([delivered(found.pop())])
    return found


async def dead_letters(store: Store, target: str | None = None) -> Sequence[Standing]:
    return await store.standing([State.DEAD], target)


async def sequences_of(store: Store) -> list[int]:
    return [stored.sequence async for stored in store.scan()]


def keys(deliveries: Sequence[Delivery]) -> list[tuple[int, str]]:
    return [(delivery.sequence, delivery.variant) for delivery in deliveries]


def files_of(folder: Path) -> list[Path]:
    """All that a store keeps its data in."""
    return sorted([*folder.rglob("*.sqlite*"), *folder.rglob("*.log")])


def segments_of(folder: Path) -> list[Path]:
    """The segments of what was accepted, oldest first."""
    events = folder / "events"
    return sorted([*events.glob("[0-9]*.sqlite"), *events.glob("*.log")], key=lambda path: int(path.stem))


def aged(folder: Path) -> None:
    """Make a store's segments databases, as older routers have made them. Nobody may have it open."""
    for log in segments_of(folder):
        path = log.with_suffix(".sqlite")
        create(path, EVENTS["schema"])
        with contextlib.closing(connect(path, writing=True)) as database:
            database.execute("BEGIN")
            for columns in readable(log, grows=True):
                database.executemany(EVENTS["keep_event"], zip(*columns[:5], strict=True))
                database.executemany(EVENTS["keep_original"], columns.originals)
            database.execute("COMMIT")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        log.unlink()


def crashed(folder: Path) -> Path:
    """The files as a crash leaves them now."""
    left = folder.with_name(f"{folder.name}-crashed")
    with contextlib.ExitStack() as stack:
        for path in folder.rglob("*.sqlite"):  # nobody else writes meanwhile, not even to empty a log
            database = stack.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
            database.execute("BEGIN IMMEDIATE")
        return Path(shutil.copytree(folder, left))
