"""Records that cannot be read: each is told, and none holds up the others."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Protocol

import pytest
import structlog

from router.store.base import Place, State, StoreError, Tally
from router.store.log.salvage import readable
from router.store.log.writing import create
from router.store.sqlite import SqliteStore
from tests.store.support import (
    EPOCH,
    FakeClock,
    Open,
    aged,
    claim,
    claim_one,
    crashed,
    dead,
    dead_letters,
    delivered,
    drain,
    keys,
    record,
    retrying,
    segments_of,
    sequences_of,
)

pytestmark = pytest.mark.anyio


class Reopen(Protocol):
    """Closes a store and opens it again, with what is no msgpack in the records of these events."""

    async def __call__(self, store: SqliteStore, *sequences: int) -> SqliteStore: ...


@pytest.fixture(params=["log", "database"])
def reopened(request: pytest.FixtureRequest, opened: Open, folder: Path) -> Reopen:
    """In a log, and in a database that an older router has made."""

    async def reopen(store: SqliteStore, *sequences: int) -> SqliteStore:
        await store.close()
        if request.param == "database":
            aged(folder)
        [events] = segments_of(folder)
        spoil(events, *sequences)
        return opened(folder)

    return reopen


def spoil(segment: Path, *sequences: int) -> None:
    if segment.suffix == ".log":
        groups = list(readable(segment, grows=False))
        spoilt = [
            [
                b"\xc1" if at in sequences else one
                for at, one in zip(group.sequences, group.records, strict=True)
            ]
            for group in groups
        ]
        made = (group._replace(records=records) for group, records in zip(groups, spoilt, strict=True))
        create(segment, int(segment.stem), made)
        return
    with contextlib.closing(sqlite3.connect(segment)) as database, database:
        statement = "UPDATE events SET record = x'c1' WHERE sequence = ?"
        database.executemany(statement, [(sequence,) for sequence in sequences])


async def test_a_first_try_is_given_up_and_the_others_go_out(
    store: SqliteStore, reopened: Reopen, opened: Open, folder: Path
) -> None:
    sequences = await store.append([record("a", "b")] * 10)
    store = await reopened(store, sequences[0], sequences[5])
    with structlog.testing.capture_logs() as logs:
        found = await claim(store, "a", 20)
    good = [at for at in sequences if at not in {sequences[0], sequences[5]}]
    assert [delivery.sequence for delivery in found] == good
    assert [(one["event"], one["target"], one["sequence"]) for one in logs] == [
        ("delivery.unreadable", "a", sequences[0]),
        ("delivery.unreadable", "a", sequences[5]),
    ]
    assert await store.tally() == {"a": Tally(pending=8, dead=2), "b": Tally(pending=10)}
    await store.settle([delivered(delivery) for delivery in found])
    store = opened(crashed(folder))
    assert await store.tally() == {"a": Tally(dead=2), "b": Tally(pending=10)}


async def test_where_all_are_broken_nobody_waits_for_ever(store: SqliteStore, reopened: Reopen) -> None:
    sequences = await store.append([record("a")] * 3)
    store = await reopened(store, *sequences)
    assert await drain(store, "a") == []
    assert await store.tally() == {"a": Tally(dead=3)}


async def test_a_retry_is_given_up_with_its_history(
    store: SqliteStore, reopened: Reopen, clock: FakeClock
) -> None:
    sequences = await store.append([record("a")] * 3)
    await store.settle([retrying(delivery, EPOCH) for delivery in await claim(store, "a")])
    store = await reopened(store, sequences[1])
    await store.due(EPOCH)
    assert keys(await drain(store, "a")) == [(sequences[0], ""), (sequences[2], "")]
    [letter] = await dead_letters(store)
    assert letter.delivery.place == Place(sequences[1], "a")
    first, second = letter.delivery.attempts
    assert first.error == "refused"
    assert f"the record {sequences[1]} cannot be read" in str(second.error)


async def test_an_operator_sees_it_and_can_let_it_go(
    store: SqliteStore, reopened: Reopen, clock: FakeClock
) -> None:
    [sequence] = await store.append([record("a", "b")])
    await store.settle([dead(await claim_one(store, "a"))])
    store = await reopened(store, sequence)
    for found in (await store.standing([State.DEAD]), (await store.of_event(sequence))[:1]):
        [letter] = found
        assert letter.delivery.place == Place(sequence, "a")
        assert letter.delivery.event.type == "router.unreadable"
        assert b"cannot be read" in (letter.delivery.event.data or b"")
    assert [one.state for one in await store.of_event(sequence)] == [State.DEAD, State.PENDING]
    await store.redrive([Place(sequence, "a")], clock.now())
    assert await drain(store, "a") == []
    assert await store.tally() == {"a": Tally(dead=1), "b": Tally(pending=1)}
    assert await store.cancel([Place(sequence, "a"), Place(sequence, "b")]) == 2
    assert await store.tally() == {}


async def test_a_scan_leaves_it_out_and_the_log_says_so(store: SqliteStore, reopened: Reopen) -> None:
    sequences = await store.append([record()] * 3)
    store = await reopened(store, sequences[2])
    with structlog.testing.capture_logs() as logs:
        assert await sequences_of(store) == list(sequences[:2])
    assert [one["event"] for one in logs] == ["record.unreadable"]
    with pytest.raises(StoreError, match=f"the record {sequences[2]} cannot be read"):
        await store.get(sequences[2])


async def test_a_delivery_whose_event_is_gone_is_told(
    store: SqliteStore, opened: Open, folder: Path, clock: FakeClock
) -> None:
    first, second = await store.append([record("a")] * 2)
    one, two = await claim(store, "a")
    await store.settle([dead(one), retrying(two, EPOCH)])
    await store.close()
    shutil.rmtree(folder / "events")
    store = opened(folder)
    await store.due(EPOCH)
    assert await drain(store, "a") == []
    letters = await dead_letters(store)
    assert [letter.delivery.sequence for letter in letters] == [first, second]
    assert f"the event {second} is not in the store" in str(letters[1].delivery.attempts[-1].error)
    assert await store.cancel([letter.delivery.place for letter in letters]) == 2


async def test_a_history_that_cannot_be_read_does_not_hold_up_the_delivery(
    store: SqliteStore, folder: Path
) -> None:
    await store.append([record("a")])
    await store.settle([retrying(await claim_one(store, "a"), EPOCH)])
    with contextlib.closing(sqlite3.connect(folder / "deliveries.sqlite")) as database, database:
        database.execute("UPDATE exceptions SET attempts = x'c1'")
    await store.due(EPOCH)
    [told] = (await claim_one(store, "a")).attempts
    assert "the history cannot be read" in str(told.error)


async def test_it_is_kept_when_its_segment_goes(
    store: SqliteStore, reopened: Reopen, folder: Path, clock: FakeClock
) -> None:
    [sequence] = await store.append([record("a")])
    store = await reopened(store, sequence)
    assert await drain(store, "a") == []
    clock.advance(10_000)
    assert await store.trim(clock.now(), 10**12) == 1  # what `drain` has probed with
    assert len(segments_of(folder)) == 1
    assert [letter.delivery.sequence for letter in await dead_letters(store)] == [sequence]
