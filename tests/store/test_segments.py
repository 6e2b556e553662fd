"""Events in many files: when the next one begins, and that nobody notices."""

from __future__ import annotations

from pathlib import Path

import anyio
import msgspec
import pytest

from router.events.received import Original
from router.store import archive
from router.store.base import Record, StoreError
from router.store.ledger import Limits
from router.store.sqlite import SqliteStore
from tests.disk import fill, make_space, mounted
from tests.store.support import (
    EPOCH,
    FakeClock,
    OpenLimited,
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

EACH = Limits(bytes=1)
"""Every group of events gets a segment of its own."""


def received(at: float, *targets: str, **more: object) -> Record:
    return msgspec.structs.replace(record(*targets), received=at, **more)


def firsts(folder: Path) -> list[int]:
    return [int(path.stem) for path in segments_of(folder)]


class TestTheNextOneBegins:
    async def test_when_the_last_one_is_large(self, limited: OpenLimited, folder: Path) -> None:
        store = limited(folder, Limits(bytes=200_000))
        sequences = [(await store.append([record("a", data=bytes(10_000))]))[0] for _ in range(60)]
        begun = firsts(folder)
        assert begun[0] == sequences[0]
        assert set(begun) <= set(sequences)
        assert 3 <= len(begun) <= 5
        assert all(path.stat().st_size < 250_000 for path in segments_of(folder))

    @pytest.mark.parametrize("direction", [1, -1], ids=["on", "back"])
    async def test_when_an_hour_has_passed_or_the_clock_was_set_back_by_one(
        self, limited: OpenLimited, folder: Path, direction: int
    ) -> None:
        store = limited(folder, Limits())
        first, *_ = [(await store.append([received(EPOCH + direction * at)]))[0] for at in (0, 1_800, 3_599)]
        [later] = await store.append([received(EPOCH + direction * 3_600)])
        await store.append([received(EPOCH + direction * 3_601)])
        assert firsts(folder) == [first, later]

    async def test_an_hour_counts_over_restarts(self, limited: OpenLimited, folder: Path) -> None:
        store = limited(folder, Limits())
        [first] = await store.append([received(EPOCH)])
        for at in (2_000, 3_999):
            await store.close()
            store = limited(folder, Limits())
            [last] = await store.append([received(EPOCH + at)])
        assert firsts(folder) == [first, last]

    async def test_a_request_is_never_parted(self, limited: OpenLimited, folder: Path) -> None:
        store = limited(folder, EACH)
        first, *_ = await store.append([record("a")] * 100)
        second, *_ = await store.append([record("a")] * 100)
        assert firsts(folder) == [first, second]

    async def test_a_closed_segment_has_no_space_set_aside(self, limited: OpenLimited, folder: Path) -> None:
        store = limited(folder, Limits(bytes=100_000))
        for _ in range(12):
            await store.append([record("a", data=bytes(20_000))])
        *closed, growing = segments_of(folder)
        assert closed
        assert not [path for path in closed if path.read_bytes().endswith(bytes(8))]
        assert growing.read_bytes().endswith(bytes(8))


class TestNobodyNotices:
    async def test_everything_is_found_again(
        self, limited: OpenLimited, folder: Path, clock: FakeClock
    ) -> None:
        store = limited(folder, EACH)
        kept = [
            received(EPOCH + at, "a", fingerprint=bytes([at]) * 16, original=Original(bytes([at])))
            for at in range(20)
        ]
        sequences = [(await store.append([one]))[0] for one in kept]
        assert firsts(folder) == sequences
        for again in (False, True):
            if again:
                await store.close()
                store = limited(folder, EACH)
            assert [stored.record async for stored in store.scan()] == kept
            assert [stored.sequence async for stored in store.scan(sequences[3], sequences[8])] == sequences[
                3:9
            ]
            found = [await store.get(sequence) for sequence in sequences]
            assert [one.record for one in found if one is not None] == kept
            assert [await store.first_at(EPOCH + at) for at in range(20)] == sequences
            marks = await store.fingerprints(EPOCH + 5, 10)
            assert [at for at, *_ in marks] == sequences[10:]
            extent = await store.extent()
            assert (extent.first, extent.last, extent.since) == (sequences[0], sequences[-1], EPOCH)
        await store.settle([dead(await claim_one(store, "a")), retrying(await claim_one(store, "a"), EPOCH)])
        await store.due(EPOCH)
        assert keys(await drain(store, "a")) == [(at, "") for at in sequences[1:]]
        assert [letter.delivery.sequence for letter in await dead_letters(store)] == sequences[:1]

    async def test_a_few_files_are_open_at_a_time(self, limited: OpenLimited, folder: Path) -> None:
        store = limited(folder, EACH)
        for _ in range(40):
            await store.append([record("a")])
        assert len(await sequences_of(store)) == 40
        assert len(await drain(store, "a")) == 40
        handles = [link.resolve() for link in handles_of_this_process() if link.exists()]
        open_ = {path for path in segments_of(folder) if path in handles}
        assert 0 < len(open_) <= 3 * archive.OPEN

    async def test_appends_from_many_tasks(self, limited: OpenLimited, folder: Path) -> None:
        store = limited(folder, EACH)
        taken: list[int] = []

        async def producer() -> None:
            for _ in range(20):
                await store.append([record("a", "b")] * 3)

        async def worker() -> None:
            while len(taken) < 5 * 20 * 3:
                batch = await store.claim("a", 7)
                taken.extend(delivery.sequence for delivery in batch)
                await store.settle([delivered(delivery) for delivery in batch])

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(producer)
            tasks.start_soon(worker)
        assert taken == await sequences_of(store)
        assert len(firsts(folder)) > 5
        assert [delivery.sequence for delivery in await drain(store, "b")] == taken

    async def test_a_crash_with_many_of_them(self, limited: OpenLimited, folder: Path) -> None:
        store = limited(folder, EACH)
        sequences: list[int] = []
        for _ in range(3):
            sequences.extend(await store.append([record("a")] * 2))
            folder_now = crashed(folder)
            again = limited(folder_now, EACH)
            assert await sequences_of(again) == sequences
            assert keys(await drain(again, "a")) == [(sequence, "") for sequence in sequences]
            await again.close()
            folder_now.rename(folder_now.with_name(f"past-{len(sequences)}"))


async def test_a_disk_too_full_for_the_next_segment(tmp_path: Path, clock: FakeClock) -> None:
    """Nothing is half begun: the store goes on when there is room."""
    with mounted(tmp_path / "disk", "4m") as disk:
        store = SqliteStore(disk / "data", clock, EACH)
        kept = list(await store.append([record("a")]))
        fill(disk)
        for _ in range(5):
            with pytest.raises(StoreError, match="cannot be written"):
                await store.append([record("a")])
        assert firsts(disk / "data") == kept
        assert await sequences_of(store) == kept
        make_space(disk)
        kept += await store.append([record("a")])
        assert await sequences_of(store) == kept
        assert keys(await drain(store, "a")) == [(sequence, "") for sequence in kept]
        await store.close()


def handles_of_this_process() -> list[Path]:
    return list(Path("/proc/self/fd").iterdir())
