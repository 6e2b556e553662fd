"""A sender's second try is answered like the first and stored once, whenever it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


async def send(tested: Sieve, records: Sequence[Record]) -> None:
    """Offer records, and wait for the answer."""
    future: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    tested.offer(records, future.set_result)
    if (error := await future) is not None:
        raise error


async def ids(store: Store) -> list[str]:
    return [stored.record.event.id async for stored in store.scan()]


async def test_a_second_try_is_not_stored(store: Store) -> None:
    tested = sieve(store)
    await send(tested, [record()])
    assert tested.suppressed == 0
    await send(tested, [record(data=b" 1 ")])
    assert await ids(store) == ["1"]
    assert tested.suppressed == 1


async def test_what_shares_all_of_a_fingerprint_with_a_second_try_beside_it_is_stored(store: Store) -> None:
    tested = sieve(store)
    first, other = record(data=b"1"), record(data=b"2")
    other = msgspec.structs.replace(other, fingerprint=first.fingerprint)
    await send(tested, [first])
    await send(tested, [other, first])
    assert b"2" in [stored.record.event.data async for stored in store.scan()]


async def test_what_is_new_beside_a_second_try_is_stored(store: Store) -> None:
    tested = sieve(store)
    await send(tested, [record("1")])
    await send(tested, [record("2"), record("1"), record("3")])
    assert await ids(store) == ["1", "2", "3"]
    assert tested.suppressed == 1


async def test_an_event_twice_in_one_request_is_stored_once(store: Store) -> None:
    tested = sieve(store)
    await send(tested, [record(), record(), record("2")])
    assert (await ids(store), tested.suppressed) == (["1", "2"], 1)


async def test_the_same_name_with_other_content_is_stored_and_told(store: Store) -> None:
    tested = sieve(store)
    with capture_logs() as lines:
        await send(tested, [record(data=b"1")])
        await send(tested, [record(data=b"2")])
        await send(tested, [record(data=b"1")])
        await send(tested, [record(data=b"3")])
    assert await ids(store) == ["1", "1", "1"]
    assert (tested.conflicts, tested.suppressed) == (2, 1)
    conflicts = [line for line in lines if line["event"] == "event.conflict"]
    assert [(line["source"], line["id"]) for line in conflicts] == [("/a", "1")]


async def test_after_its_time_a_second_try_is_an_event(store: Store) -> None:
    clock = HandClock(NOW)
    tested = sieve(store, clock)
    await send(tested, [record()])
    clock.advance(601)
    await send(tested, [record(received=clock.now())])
    assert await ids(store) == ["1", "1"]


async def test_equal_fingerprints_alone_suppress_nothing(store: Store) -> None:
    """Eight bytes may be equal by chance."""
    tested = sieve(store)
    alike = msgspec.structs.replace(record("2"), fingerprint=record("1").fingerprint)
    await send(tested, [record("1")])
    await send(tested, [alike])
    await send(
        tested, [record("3"), msgspec.structs.replace(record("4"), fingerprint=record("3").fingerprint)]
    )
    assert await ids(store) == ["1", "2", "3", "4"]
    assert tested.suppressed == 0


async def test_what_is_gone_from_the_store_suppresses_nothing(store: Store) -> None:
    window = Window(600)
    window.add([record().fingerprint], [5], [NOW])
    await send(Sieve(store, window, HandClock(NOW)), [record()])
    assert await ids(store) == ["1"]


async def test_many_tries_at_once_are_stored_once(store: Store) -> None:
    tested = sieve(store)
    async with anyio.create_task_group() as group:
        for n in range(20):
            group.start_soon(send, tested, [record(f"own-{n}"), record("common")])
    assert sorted(await ids(store)) == sorted(["common", *(f"own-{n}" for n in range(20))])
    assert tested.suppressed == 19


async def test_a_second_try_after_a_failure_is_no_duplicate(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "8m") as disk:
        store = SqliteStore(disk / "data", SystemClock())
        tested = sieve(store)
        fill(disk)
        with pytest.raises(StoreError):
            await send(tested, [record(data=b'"%s"' % (b"x" * 200_000))])
        make_space(disk)
        await send(tested, [record(data=b'"%s"' % (b"x" * 200_000))])
        assert await ids(store) == ["1"]
        assert tested.suppressed == 0
        await store.close()


async def test_without_a_window_everything_is_stored(store: Store) -> None:
    tested = Sieve(store, None, HandClock(NOW))
    await send(tested, [record(), record()])
    assert await ids(store) == ["1", "1"]


class Refusing(MemoryStore):
    """Takes nothing that holds an event named "full" or "fault"."""

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        found = {one.event.id for one in records}
        if "full" in found:
            raise StoreError("the disk is full")
        if "fault" in found:
            raise RecursionError("a fault")
        return await super().append(records)


@pytest.mark.parametrize(("id_", "error"), [("full", StoreError), ("fault", RecursionError)])
async def test_who_waits_for_a_try_that_fails_is_the_next_first_one(id_: str, error: type[Exception]) -> None:
    """All of them hear of it: nobody waits for what will not come, and nobody is told that it is there."""
    tested = sieve(Refusing(HandClock()))
    outcomes: list[Exception | None] = []
    done = asyncio.Event()

    def answered(outcome: Exception | None) -> None:
        outcomes.append(outcome)
        if len(outcomes) == 5:
            done.set()

    for _ in range(5):
        tested.offer([record(id_)], answered)
    with anyio.fail_after(10):
        await done.wait()
    assert [type(outcome) for outcome in outcomes] == [error] * 5
    assert tested.suppressed == 0


async def test_a_try_of_what_is_under_way_in_another_group_waits_for_that_group_only(store: Store) -> None:
    tested = sieve(store)
    order: list[str] = []
    done = asyncio.Event()

    def answer(name: str) -> None:
        order.append(name)
        if len(order) == 3:
            done.set()

    tested.offer([record("1")], lambda _: answer("first"))
    await asyncio.sleep(0)  # its group is on its way
    tested.offer([record("2")], lambda _: answer("other"))
    tested.offer([record("1")], lambda _: answer("second"))
    await done.wait()
    assert order.index("first") < order.index("second")
    assert await ids(store) == ["1", "2"]
    assert tested.suppressed == 1


events = st.tuples(st.sampled_from("abcde"), st.sampled_from([b"1", b" 1", b"2", b"3"]))


@settings(max_examples=150, deadline=None)
@given(requests=st.lists(st.lists(events, min_size=1, max_size=4), max_size=8), together=st.booleans())
def test_what_comes_alone_together_or_in_batches_is_stored_once(
    requests: list[list[tuple[str, bytes]]], *, together: bool
) -> None:
    """Each different event is stored once, whatever way its requests take; every request is answered."""

    async def run() -> tuple[list[tuple[str, bytes | None]], Sieve]:
        store = MemoryStore(HandClock())
        tested = sieve(store)
        tries = [[record(id_, data) for id_, data in request] for request in requests]
        if together:
            await asyncio.gather(*(send(tested, request) for request in tries))
        else:
            for request in tries:
                await send(tested, request)
        return [(one.record.event.id, one.record.event.data) async for one in store.scan()], tested

    found, tested = asyncio.run(run())
    stored = [(id_, (data or b"").strip()) for id_, data in found]
    sent = [(id_, data.strip()) for request in requests for id_, data in request]
    assert sorted(stored) == sorted(set(sent))
    assert tested.suppressed == len(sent) - len(stored)
