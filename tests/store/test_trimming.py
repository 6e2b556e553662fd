"""What trimming lets go, what it keeps, and that a crash in the midst of it does no harm."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import anyio
import msgspec
import pytest

from router.events.received import Original
from router.store.base import Delivery, Place, Record, Route, State, StoreError, Tally
from router.store.claims import IN_MEMORY
from router.store.layout import weight
from router.store.ledger import Limits
from router.store.sqlite import SqliteStore
from router.store.trimming import SWEEP
from tests.store.support import (
    EPOCH,
    FakeClock,
    OpenLimited,
    claim,
    claim_one,
    crashed,
    dead,
    dead_letters,
    delivered,
    drain,
    files_of,
    keys,
    record,
    retrying,
    segments_of,
    sequences_of,
)

pytestmark = pytest.mark.anyio

EACH = Limits(bytes=1)
"""Every group of events gets a segment of its own."""

ALL = 10**12
"""More bytes than there are."""


@pytest.fixture
async def store(limited: OpenLimited, folder: Path) -> SqliteStore:
    return limited(folder, EACH)


def received(at: float, *targets: str | Route, **more: object) -> Record:
    return msgspec.structs.replace(record(*targets), received=at, **more)


async def fill(store: SqliteStore, count: int, *targets: str | Route) -> list[int]:
    """Records in a segment each, received a second apart from the epoch on; and a young one, which grows."""
    sequences = [(await store.append([received(EPOCH + at, *targets)]))[0] for at in range(count)]
    await store.append([received(EPOCH + 1_000_000)])
    return sequences


def kept(folder: Path) -> list[int]:
    """The records that outlived their segments."""
    with contextlib.closing(sqlite3.connect(folder / "events" / "kept.sqlite")) as database:
        return [sequence for (sequence,) in database.execute("SELECT sequence FROM events ORDER BY sequence")]


class TestWhatGoes:
    async def test_what_is_old(self, store: SqliteStore, folder: Path) -> None:
        sequences = await fill(store, 6)
        assert await store.trim(EPOCH + 3, ALL) == 3
        assert (await sequences_of(store))[:-1] == sequences[3:]
        assert len(segments_of(folder)) == 4
        assert await store.trim(EPOCH + 3, ALL) == 0
        assert (await store.extent()).first == sequences[3]
        assert await store.get(sequences[0]) is None

    async def test_what_is_too_much(self, store: SqliteStore, folder: Path) -> None:
        sequences = await fill(store, 6)
        *_, two, one, growing = map(weight, segments_of(folder))
        assert await store.trim(0, growing + one + two) == 4
        assert (await sequences_of(store))[:-1] == sequences[4:]
        assert await store.trim(0, growing + one) == 1
        assert await store.trim(0, 0) == 1
        assert len(await sequences_of(store)) == 1  # the one that grows

    async def test_nothing_young_and_little(self, store: SqliteStore) -> None:
        sequences = await fill(store, 4)
        assert await store.trim(EPOCH, ALL) == 0
        assert (await sequences_of(store))[:-1] == sequences

    async def test_a_segment_goes_whole_or_not_at_all(self, store: SqliteStore) -> None:
        old, young = await store.append([received(EPOCH), received(EPOCH + 60)])
        await store.append([received(EPOCH + 61)])
        assert await store.trim(EPOCH + 60, ALL) == 0
        assert await store.trim(EPOCH + 60.5, ALL) == 2
        assert {await store.get(old), await store.get(young)} == {None}

    async def test_a_clock_that_ran_ahead_for_a_while_keeps_nothing_else(self, store: SqliteStore) -> None:
        await store.append([received(EPOCH)])
        [ahead] = await store.append([received(EPOCH + 1e9)])
        await fill(store, 3)
        assert await store.trim(EPOCH + 100, ALL) == 4
        assert (await sequences_of(store))[0] == ahead

    async def test_the_last_ones_when_nobody_sends_any_more(
        self, limited: OpenLimited, folder: Path, clock: FakeClock
    ) -> None:
        store = limited(folder, Limits())
        await store.append([record("a")] * 3)
        await store.settle([delivered(delivery) for delivery in await claim(store, "a")])
        clock.advance(3_599)
        assert await store.trim(clock.now(), ALL) == 0  # its hour is not over
        clock.advance(1)
        assert await store.trim(clock.now(), ALL) == 3
        assert await sequences_of(store) == []
        [later] = await store.append([received(clock.now(), "a")])
        assert await sequences_of(store) == [later]
        assert keys(await drain(store, "a")) == [(later, "")]

    async def test_files_and_words_about_them(self, store: SqliteStore, folder: Path) -> None:
        sequences = await fill(store, 5, "a", "b")
        await store.cancel([Place(sequence, "a") for sequence in sequences])
        await store.settle([delivered(delivery) for delivery in await claim(store, "b", 4)])
        await store.trim(EPOCH + 99, ALL)
        names = {path.name.partition(".")[0] for path in files_of(folder)}
        assert names == {str((await sequences_of(store))[-1]), "kept", "deliveries"}
        with contextlib.closing(sqlite3.connect(folder / "deliveries.sqlite")) as database:
            told = database.execute("SELECT target, sequence, state FROM exceptions").fetchall()
        assert told == [("a", sequences[4], "cancelled")]  # its event is kept: it has yet to go to the other


class TestWhatStays:
    async def test_the_unfinished_and_the_dead(self, store: SqliteStore, clock: FakeClock) -> None:
        sequences = await fill(store, 8, "a")
        lost, later, flying, done, again, gone, *_ = await claim(store, "a", 6)
        await store.settle([dead(lost), retrying(later, EPOCH + 50), delivered(done), retrying(again, EPOCH)])
        await store.settle([dead(gone)])
        await store.cancel([gone.place])
        await store.due(EPOCH)
        assert keys(await claim(store, "a", 1)) == keys([again])
        tally = await store.tally()
        assert await store.trim(EPOCH + 99, ALL) == 2
        left = [at for at in sequences if at not in {done.sequence, gone.sequence}]
        assert (await sequences_of(store))[:-1] == left
        assert await store.tally() == tally
        assert [letter.delivery for letter in await dead_letters(store)] == [
            (await store.of_event(lost.sequence))[0].delivery
        ]
        assert (await store.of_event(flying.sequence))[0].state is State.IN_FLIGHT
        await store.settle([delivered(flying), delivered(again)])
        await store.due(EPOCH + 50)
        assert keys(await drain(store, "a")) == [(at, "") for at in (later.sequence, *sequences[6:])]

    async def test_it_is_all_there_after_a_crash(
        self, limited: OpenLimited, folder: Path, store: SqliteStore
    ) -> None:
        sequences = await fill(store, 6, "a", "b")
        one, two, three, *_ = await claim(store, "a", 4)
        await store.settle([dead(one), retrying(two, EPOCH), delivered(three)])
        await store.settle([delivered(delivery) for delivery in await claim(store, "b")])
        await store.trim(EPOCH + 99, ALL)
        again = limited(crashed(folder), EACH)
        assert (await again.tally())["a"].dead == 1
        await again.due(EPOCH)
        found = sorted(keys(await drain(again, "a")))
        assert found == [(at, "") for at in (sequences[1], *sequences[3:])]

    async def test_with_the_senders_request(self, store: SqliteStore, folder: Path) -> None:
        shared = Original(b"<x/>" * 1_000, "application/xml")
        first = [received(EPOCH, target, original=shared) for target in ("a", "b", "a")]
        await store.append(first)
        await store.append([received(EPOCH, "b", original=Original(b"other"))])
        await fill(store, 1)
        await store.settle([delivered(delivery) for delivery in await claim(store, "b")])
        assert await store.trim(EPOCH + 99, ALL) == 3
        assert [stored.record async for stored in store.scan()][:-1] == [first[0], first[2]]
        with contextlib.closing(sqlite3.connect(folder / "events" / "kept.sqlite")) as database:
            assert database.execute("SELECT body FROM originals").fetchall() == [(shared.body,)]

    async def test_a_backlog_on_disk(self, limited: OpenLimited, folder: Path, clock: FakeClock) -> None:
        store = limited(folder, EACH)
        sequences: list[int] = []
        for at in range(6):
            sequences.extend(await store.append([received(EPOCH + at, "a", "b")] * 700))
        await store.settle([delivered(delivery) for delivery in await drain(store, "b")])
        taken = await claim(store, "a", 100)
        await store.settle([delivered(delivery) for delivery in taken])
        cancelled = Place(sequences[IN_MEMORY + 100], "a")
        assert await store.cancel([cancelled]) == 1
        assert await store.trim(EPOCH + 99, ALL) == 102  # and what `drain` has probed with
        wanted = [(at, "") for at in sequences[100:] if at != cancelled.sequence]
        assert len(await store.standing([State.PENDING], most=10_000)) == len(wanted)
        await store.close()
        store = limited(folder, EACH)
        assert await store.tally() == {"a": Tally(pending=len(wanted))}
        assert keys(await drain(store, "a")) == wanted

    async def test_until_it_is_finished(self, store: SqliteStore, folder: Path, clock: FakeClock) -> None:
        await fill(store, 6, "a")
        one, two, *others = await claim(store, "a")
        await store.settle([dead(one), dead(two), *map(delivered, others)])
        await store.trim(EPOCH + 99, ALL)
        assert kept(folder) == [one.sequence, two.sequence]
        await store.redrive([one.place], clock.now())
        await store.settle([delivered(await claim_one(store, "a"))])
        clock.advance(SWEEP)
        assert await store.trim(EPOCH + 99, ALL) == 1
        assert kept(folder) == [two.sequence]
        await store.cancel([two.place])
        clock.advance(-SWEEP)  # and if the clock is set back
        assert await store.trim(EPOCH + 99, ALL) == 1
        assert kept(folder) == []
        with contextlib.closing(sqlite3.connect(folder / "deliveries.sqlite")) as database:
            assert database.execute("SELECT * FROM exceptions").fetchall() == []

    async def test_what_is_cancelled_above_the_watermark_does_not_come_back(
        self, limited: OpenLimited, store: SqliteStore, folder: Path, clock: FakeClock
    ) -> None:
        """Its event is kept for another's sake, and its word with it."""
        sequences = await fill(store, 4, "a", "b")
        await store.settle([dead(delivery) for delivery in await claim(store, "b")])
        await store.cancel([Place(at, "a") for at in sequences[1:]])
        await store.trim(EPOCH + 99, ALL)
        clock.advance(SWEEP)
        await store.trim(EPOCH + 99, ALL)
        store = limited(crashed(folder), EACH)
        assert keys(await drain(store, "a")) == [(sequences[0], "")]

    async def test_what_was_moved(self, store: SqliteStore, clock: FakeClock) -> None:
        [sequence, *_] = await fill(store, 3, Route("gone", "x", ("one",)))
        await store.redrive([Place(sequence, "gone", "x")], clock.now(), to="b")
        await store.settle([delivered(delivery) for delivery in await claim(store, "gone")])
        assert await store.trim(EPOCH + 99, ALL) == 2
        moved = await claim_one(store, "b")
        assert (moved.sequence, moved.rules) == (sequence, ("one",))


class TestLargeOnes:
    async def test_what_is_mostly_needed_stays_as_it_is_for_a_while(
        self, limited: OpenLimited, folder: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("router.store.trimming.LARGE", 1)
        monkeypatch.setattr("router.store.trimming.SAMPLE", 5)
        store = limited(folder, EACH)
        sequences = await store.append([received(EPOCH, "a")] * 10)
        await fill(store, 1)
        await store.settle([delivered(delivery) for delivery in await claim(store, "a", 3)])
        assert await store.trim(EPOCH + 99, ALL) == 1  # the other one
        assert len(segments_of(folder)) == 2
        await store.settle([delivered(delivery) for delivery in await claim(store, "a", 4)])
        assert await store.trim(EPOCH + 99, ALL) == 0
        clock.advance(SWEEP)
        assert await store.trim(EPOCH + 99, ALL) == 7
        assert kept(folder) == list(sequences[7:])
        assert keys(await drain(store, "a")) == [(at, "") for at in sequences[7:]]


class TestMeanwhile:
    async def test_claims_and_scans_go_on(self, store: SqliteStore) -> None:
        sequences = await fill(store, 60, "a")
        taken: list[int] = []
        scanned: list[int] = []

        async def worker() -> None:
            while len(taken) < len(sequences):
                batch = await store.claim("a", 1)
                taken.extend(delivery.sequence for delivery in batch)
                await store.settle([delivered(delivery) for delivery in batch])

        async def scanner() -> None:
            scanned.extend(await sequences_of(store))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker)
            while len(taken) < len(sequences):
                tasks.start_soon(scanner)
                await store.trim(EPOCH + 99, ALL)
        assert sorted(taken) == sequences
        await store.trim(EPOCH + 99, ALL)
        assert len(await sequences_of(store)) == 1

    async def test_what_was_appended_just_now_is_not_taken_for_finished(
        self, limited: OpenLimited, folder: Path
    ) -> None:
        """The segment is closed, and its last events are committed, but no lane knows of them yet."""
        store = limited(folder, EACH)
        sequences: list[int] = []

        async def producer() -> None:
            for _ in range(30):
                sequences.extend(await store.append([received(EPOCH, "a")]))

        async def trimmer() -> None:
            for _ in range(30):
                await store.trim(EPOCH + 99, 0)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(producer)
            tasks.start_soon(trimmer)
        assert keys(await drain(store, "a")) == [(at, "") for at in sorted(sequences)]

    async def test_redrives_go_on(self, store: SqliteStore, clock: FakeClock) -> None:
        await fill(store, 30, "a")
        letters = await claim(store, "a")
        await store.settle([dead(letter) for letter in letters])

        async def operator() -> None:
            for letter in letters:
                await store.redrive([letter.place], clock.now())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(operator)
            for _ in range(5):
                clock.advance(SWEEP)
                await store.trim(EPOCH + 99, ALL)
        assert sorted(keys(await drain(store, "a"))) == keys(letters)


class TestCrashes:
    async def half_trimmed(self, store: SqliteStore, folder: Path) -> tuple[Path, list[Delivery]]:
        """As a crash leaves it after what is needed was copied, and before a segment is removed."""
        await fill(store, 5, "a")
        first, second, *others = await claim(store, "a")
        await store.settle([dead(first), retrying(second, EPOCH), *map(delivered, others)])
        past = crashed(folder)
        await store.trim(EPOCH + 99, ALL)
        now = Path(shutil.copytree(folder, folder.with_name("half")))
        for path in segments_of(past):
            shutil.copy(path, now / "events" / path.name)
        return now, [first, second]

    async def test_what_stands_in_both_counts_once(
        self, store: SqliteStore, folder: Path, limited: OpenLimited, clock: FakeClock
    ) -> None:
        half, needed = await self.half_trimmed(store, folder)
        again = limited(half, EACH)
        assert (await again.tally())["a"] == Tally(retrying=1, dead=1)
        sequences = await sequences_of(again)
        assert len(sequences) == len(set(sequences)) == 6
        assert await again.trim(EPOCH + 99, ALL) >= 3
        assert (await sequences_of(again))[:-1] == [delivery.sequence for delivery in needed]
        await again.redrive([needed[0].place], clock.now())
        await again.due(EPOCH)
        assert sorted(keys(await drain(again, "a"))) == keys(needed)

    async def test_a_refused_copy_removes_nothing(self, store: SqliteStore, folder: Path) -> None:
        sequences = await fill(store, 3, "a")
        with contextlib.closing(sqlite3.connect(folder / "events" / "kept.sqlite")) as database:
            database.execute("ALTER TABLE events RENAME TO elsewhere")
        with pytest.raises(StoreError, match="no such table: events"):
            await store.trim(EPOCH + 99, ALL)
        assert len(segments_of(folder)) == 4
        with contextlib.closing(sqlite3.connect(folder / "events" / "kept.sqlite")) as database:
            assert database.execute("SELECT count(*) FROM elsewhere").fetchone() == (0,)
            database.execute("ALTER TABLE elsewhere RENAME TO events")
        await store.trim(EPOCH + 99, ALL)
        assert keys(await drain(store, "a")) == [(at, "") for at in sequences]

    async def test_words_about_what_is_gone_disturb_no_start(
        self, store: SqliteStore, folder: Path, limited: OpenLimited
    ) -> None:
        """A crash after a segment was removed leaves rows of its deliveries, above the watermark too."""
        sequences = await fill(store, 5, "a")
        holding, *_ = await claim(store, "a", 1)
        await store.cancel([Place(at, "a") for at in sequences[1:4]])
        half = crashed(folder)
        for path in segments_of(half)[1:4]:
            path.unlink()
        again = limited(half, EACH)
        assert await again.tally() == {"a": Tally(pending=2)}
        assert keys(await drain(again, "a")) == [(holding.sequence, ""), (sequences[4], "")]
