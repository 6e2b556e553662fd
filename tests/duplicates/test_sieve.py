"""A sender's second try is answered like the first and stored once, whenever it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import msgspec
import pytest
from structlog.testing import capture_logs

from router.clock import SystemClock
from router.duplicates.sieve import Sieve
from router.duplicates.window import Window
from router.events import Event
from router.events.fingerprint import fingerprint
from router.store.base import Record, Store, StoreError
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from tests.disk import fill, make_space, mounted
from tests.support import HandClock

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0


def record(id_: str = "1", data: bytes = b"1", received: float = NOW, source: str = "/a") -> Record:
    event = Event(id=id_, source=source, type="t", data=data)
    return Record(
        event=event, source="events", received=received, version="v", fingerprint=fingerprint(event)
    )


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = (
        MemoryStore(HandClock()) if request.param == "memory" else SqliteStore(tmp_path, HandClock())
    )
    yield opened
    await opened.close()


def sieve(store: Store, clock: HandClock | None = None, seconds: float = 600.0, most: int = 1000) -> Sieve:
    return Sieve(store, Window(seconds, most), clock or HandClock(NOW))


async def ids(store: Store) -> list[str]:
    return [stored.record.event.id async for stored in store.scan()]


async def test_a_second_try_is_not_stored(store: Store) -> None:
    tested = sieve(store)
    first = await tested.append([record()])
    second = await tested.append([record(data=b" 1 ")])
    assert (len(first.sequences), first.duplicates) == (1, 0)
    assert (second.sequences, second.stored, second.duplicates) == ((), [], 1)
    assert await ids(store) == ["1"]
    assert tested.suppressed == 1


async def test_what_is_new_beside_a_second_try_is_stored(store: Store) -> None:
    tested = sieve(store)
    await tested.append([record("1")])
    appended = await tested.append([record("2"), record("1"), record("3")])
    assert [one.event.id for one in appended.stored] == ["2", "3"]
    assert await ids(store) == ["1", "2", "3"]


async def test_an_event_twice_in_one_request_is_stored_once(store: Store) -> None:
    appended = await sieve(store).append([record(), record(), record("2")])
    assert (await ids(store), appended.duplicates) == (["1", "2"], 1)


async def test_the_same_name_with_other_content_is_stored_and_told(store: Store) -> None:
    tested = sieve(store)
    with capture_logs() as lines:
        await tested.append([record(data=b"1")])
        await tested.append([record(data=b"2")])
        await tested.append([record(data=b"1")])
        await tested.append([record(data=b"3")])
    assert await ids(store) == ["1", "1", "1"]
    assert (tested.conflicts, tested.suppressed) == (2, 1)
    conflicts = [line for line in lines if line["event"] == "event.conflict"]
    assert [(line["source"], line["id"]) for line in conflicts] == [("/a", "1")]


async def test_after_its_time_a_second_try_is_an_event(store: Store) -> None:
    clock = HandClock(NOW)
    tested = sieve(store, clock)
    await tested.append([record()])
    clock.advance(601)
    await tested.append([record(received=clock.now())])
    assert await ids(store) == ["1", "1"]


async def test_equal_fingerprints_alone_suppress_nothing(store: Store) -> None:
    """Eight bytes may be equal by chance."""
    tested = sieve(store)
    alike = msgspec.structs.replace(record("2"), fingerprint=record("1").fingerprint)
    await tested.append([record("1")])
    await tested.append([alike])
    await tested.append(
        [record("3"), msgspec.structs.replace(record("4"), fingerprint=record("3").fingerprint)]
    )
    assert await ids(store) == ["1", "2", "3", "4"]
    assert tested.suppressed == 0


async def test_what_is_gone_from_the_store_suppresses_nothing(store: Store) -> None:
    window = Window(600)
    window.add(record().fingerprint, 5, NOW)
    await Sieve(store, window, HandClock(NOW)).append([record()])
    assert await ids(store) == ["1"]


async def test_many_tries_at_once_are_stored_once(store: Store) -> None:
    tested = sieve(store)
    duplicates = []

    async def send(id_: str) -> None:
        duplicates.append((await tested.append([record(id_), record("common")])).duplicates)

    async with anyio.create_task_group() as group:
        for n in range(20):
            group.start_soon(send, f"own-{n}")
    assert sorted(await ids(store)) == sorted(["common", *(f"own-{n}" for n in range(20))])
    assert sum(duplicates) == 19


async def test_a_second_try_after_a_failure_is_no_duplicate(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "8m") as disk:
        store = SqliteStore(disk / "data", SystemClock())
        tested = sieve(store)
        fill(disk)
        with pytest.raises(StoreError):
            await tested.append([record(data=b'"%s"' % (b"x" * 200_000))])
        make_space(disk)
        await tested.append([record(data=b'"%s"' % (b"x" * 200_000))])
        assert await ids(store) == ["1"]
        assert tested.suppressed == 0
        await store.close()


async def test_without_a_window_everything_is_stored(store: Store) -> None:
    tested = Sieve(store, None, HandClock(NOW))
    await tested.append([record(), record()])
    assert await ids(store) == ["1", "1"]
