"""Opening a store again: after a clean end, after a crash, and after somebody broke its files."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from router.errors import ConfigurationError
from router.store.base import StoreError, Tally
from router.store.sqlite import SqliteStore
from tests.store.support import (
    EPOCH,
    FakeClock,
    Open,
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


class TestRestart:
    async def test_everything_is_as_it_was(self, opened: Open, folder: Path, clock: FakeClock) -> None:
        store = opened(folder)
        await store.append([record("a", name=str(number)) for number in range(5)])
        await store.remember("v1", "text")
        first, second, third, *_ = await claim(store, "a", 4)
        await store.settle([delivered(first), retrying(second, EPOCH + 9), dead(third)])
        letters, records = await dead_letters(store), [stored async for stored in store.scan()]
        await store.close()
        clock.advance(1)
        store = opened(folder)
        assert [stored async for stored in store.scan()] == records
        assert await dead_letters(store) == letters
        assert await store.recall("v1") == "text"
        assert await store.due(EPOCH + 8) == EPOCH + 9
        await store.due(EPOCH + 9)
        found = await drain(store, "a")
        assert sorted(keys(found)) == [(stored.sequence, "") for stored in [records[1], *records[3:]]]
        assert {delivery.sequence: len(delivery.attempts) for delivery in found}[second.sequence] == 1

    async def test_sequences_go_on_even_with_the_clock_set_back(
        self, opened: Open, folder: Path, clock: FakeClock
    ) -> None:
        store = opened(folder)
        earlier = await store.append([record("a")] * 3)
        await store.close()
        clock.set(EPOCH - 3_600)
        later = await opened(folder).append([record("a")])
        assert later[0] == earlier[-1] + 1

    async def test_sequences_never_fall_below_what_was_settled(
        self, opened: Open, folder: Path, clock: FakeClock
    ) -> None:
        """Else a store whose events were thrown away would take new ones for delivered."""
        store = opened(folder)
        earlier = await store.append([record("a")])
        await store.settle([delivered(await claim_one(store, "a"))])
        await store.close()
        shutil.rmtree(folder / "events")
        clock.set(EPOCH - 3_600)
        store = opened(folder)
        later = await store.append([record("a")])
        assert later[0] > earlier[0]
        await store.close()
        assert keys(await drain(opened(folder), "a")) == [(later[0], "")]

    async def test_a_clean_end_repeats_only_what_was_under_way(self, opened: Open, folder: Path) -> None:
        store = opened(folder)
        await store.append([record("a")] * 10)
        first, *rest = await claim(store, "a")
        await store.settle([delivered(delivery) for delivery in rest])
        await store.close()
        store = opened(folder)
        await store.due(EPOCH)
        assert keys(await drain(store, "a")) == keys([first])

    async def test_to_be_cancelled_does_not_keep_it_from_closing(self, opened: Open, folder: Path) -> None:
        store = opened(folder)
        await store.append([record("a")])
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.close()
        assert len(await drain(opened(folder), "a")) == 1

    async def test_a_finished_target_does_not_make_starts_slow(self, opened: Open, folder: Path) -> None:
        """The start reads all routes above the lowest watermark: no target may stay behind for ever."""
        store = opened(folder)
        await store.append([record("gone")])
        await store.settle([delivered(await claim_one(store, "gone"))])
        for _ in range(2):
            await store.close()
            store = opened(folder)
            await store.append([record("a")])
            await store.settle([delivered(await claim_one(store, "a"))])
        [*_, last] = await sequences_of(store)
        await store.close()
        with contextlib.closing(sqlite3.connect(folder / "deliveries.sqlite")) as database:
            assert database.execute("SELECT min(sequence) FROM watermarks").fetchone() == (last,)

    async def test_a_target_that_has_only_exceptions_is_counted(self, opened: Open, folder: Path) -> None:
        store = opened(folder)
        await store.append([record("a")] * 3)
        one, two, three = await claim(store, "a")
        await store.settle([dead(one), retrying(two, EPOCH + 1), retrying(three, EPOCH + 2)])
        await store.close()
        assert await opened(folder).tally() == {"a": Tally(retrying=2, dead=1)}

    async def test_a_retry_delivered_before_older_first_tries_were_read_is_not_handed_out_again(
        self, opened: Open, folder: Path
    ) -> None:
        store = opened(folder)
        await store.append([record("a")] * 3)
        _, _, last = await claim(store, "a")
        await store.settle([retrying(last, EPOCH)])  # the others are under way, and the process is killed
        store = opened(crashed(folder))
        await store.due(EPOCH)
        [retry] = await claim(store, "a", 1)
        await store.settle([delivered(retry)])
        assert await store.tally() == {"a": Tally(pending=2)}
        assert keys(await claim(store, "a")) == [(last.sequence - 2, ""), (last.sequence - 1, "")]
        assert await store.tally() == {"a": Tally(pending=2)}

    async def test_nor_after_another_crash(self, opened: Open, folder: Path, clock: FakeClock) -> None:
        store = opened(folder)
        await store.append([record("a")] * 3)
        *others, last = await claim(store, "a")
        await store.settle([retrying(last, EPOCH)])
        folder = crashed(folder)
        store = opened(folder)
        await store.due(EPOCH)
        await store.settle([delivered(await claim_one(store, "a"))])
        clock.advance(1_000)
        store = opened(folder := crashed(folder))
        found = await claim(store, "a")
        assert keys(found) == keys(others)
        await store.settle([delivered(delivery) for delivery in found])
        await store.close()
        with contextlib.closing(sqlite3.connect(folder / "deliveries.sqlite")) as database:
            assert database.execute("SELECT * FROM exceptions").fetchall() == []


class TestBrokenFolders:
    @pytest.mark.parametrize("file", ["deliveries.sqlite", "events/1.sqlite"])
    async def test_a_file_that_is_no_database(self, opened: Open, folder: Path, file: str) -> None:
        (folder / "events").mkdir(parents=True)
        (folder / file).write_bytes(b"this is no database, but long enough to be one" * 100)
        with pytest.raises(ConfigurationError, match="cannot be opened as a router's store") as raised:
            opened(folder)
        assert str(folder) in raised.value.message
        (folder / file).unlink()
        assert await opened(folder).tally() == {}  # the failure has not kept the folder

    async def test_a_file_in_the_folders_place(self, opened: Open) -> None:
        with pytest.raises(ConfigurationError, match="cannot be opened"):
            opened(Path(__file__))

    async def test_torn_pages_are_told_at_the_start(self, opened: Open, folder: Path) -> None:
        store = opened(folder)
        await store.append([record("a", name=str(number)) for number in range(500)])
        await store.close()
        [events] = segments_of(folder)
        content = bytearray(events.read_bytes())
        content[4096:] = b"\xa5" * (len(content) - 4096)
        events.write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"is damaged .*run `router doctor`, which keeps"):
            opened(folder)

    @pytest.mark.parametrize("page", range(2, 60, 3))
    async def test_a_store_that_was_damaged_while_it_was_closed(
        self, left: list[int], opened: Open, folder: Path, page: int
    ) -> None:
        """However little of it a start has to read: what it can not find would count as delivered."""
        [events] = segments_of(folder)
        content = bytearray(events.read_bytes())
        begin = page * 4096 + 1_000
        content[begin : begin + 2_500] = bytes(byte ^ 0x5A for byte in content[begin : begin + 2_500])
        events.write_bytes(content)
        try:
            store = opened(folder)
        except ConfigurationError as error:
            refused = error.message
        else:  # what was hit leads to nothing else
            refused = ""
            assert await sequences_of(store) == left
            assert (await store.tally())["b"].pending == len(left)
        assert not refused or "run `router doctor`" in refused

    async def test_a_closed_store_says_so(self, store: SqliteStore) -> None:
        await store.close()
        with pytest.raises(StoreError, match="closed"):
            await store.append([record("a")])
        with pytest.raises(StoreError, match="cannot read"):
            await dead_letters(store)
