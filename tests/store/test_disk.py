"""A disk that is full: nothing is half stored, what is stored goes on, and space makes it well again."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from router.errors import ConfigurationError
from router.store.base import Settlement, State, StoreError, Tally
from router.store.repair import examine, repair
from router.store.sqlite import SqliteStore
from tests.disk import fill, leave, make_space, mounted
from tests.store.support import (
    EPOCH,
    FakeClock,
    attempt,
    claim,
    dead_letters,
    delivered,
    drain,
    keys,
    record,
    sequences_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "4m") as disk:
        yield disk


@pytest.fixture
async def store(disk: Path, clock: FakeClock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(disk / "data", clock)
    yield store
    await store.close()


async def append_until_refused(store: SqliteStore) -> list[int]:
    """Sequences that were acknowledged before the disk was full."""
    kept: list[int] = []
    while True:
        try:
            kept.extend(await store.append([record("a", data=bytes(20_000))] * 2))
        except StoreError as error:
            assert "the store cannot be written: No space left on device" in error.message  # noqa: PT017
            return kept


def crashed(disk: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(disk / "data", tmp_path / "crashed"))


async def test_nothing_of_a_refused_append_is_stored(
    store: SqliteStore, disk: Path, tmp_path: Path, clock: FakeClock
) -> None:
    [first] = await store.append([record("a")])
    fill(disk)
    kept = [first, *await append_until_refused(store)]
    assert await sequences_of(store) == kept
    assert await store.tally() == {"a": Tally(pending=len(kept))}
    make_space(disk)
    again = SqliteStore(crashed(disk, tmp_path), clock)
    assert await sequences_of(again) == kept
    await again.close()


async def test_a_probe_tells_whether_it_can_be_appended_to(store: SqliteStore, disk: Path) -> None:
    await store.probe()
    fill(disk)
    kept = await append_until_refused(store)
    fill(disk)
    with pytest.raises(StoreError, match="cannot be written: No space left on device"):
        await store.probe()
    make_space(disk)
    await store.probe()
    assert await sequences_of(store) == kept


async def test_what_is_stored_is_still_delivered(store: SqliteStore, disk: Path) -> None:
    sequences = await store.append([record("a")] * 3)
    fill(disk)
    await append_until_refused(store)
    assert [delivery.sequence for delivery in await claim(store, "a", 3)] == list(sequences)


async def test_it_works_again_once_there_is_space(store: SqliteStore, disk: Path) -> None:
    fill(disk)
    kept = await append_until_refused(store)
    make_space(disk)
    later = await store.append([record("a")])
    assert await sequences_of(store) == [*kept, *later]
    found = await drain(store, "a")
    assert [delivery.sequence for delivery in found] == [*kept, *later]
    await store.settle([delivered(delivery) for delivery in found])
    assert await store.tally() == {}


async def test_a_refused_settle_changes_nothing_and_can_be_settled_again(
    store: SqliteStore, disk: Path, tmp_path: Path, clock: FakeClock
) -> None:
    await store.append([record("a")] * 4)
    first, second, third, fourth = await claim(store, "a")
    fill(disk)
    await append_until_refused(store)
    fill(disk)
    pending = await store.tally()
    large = msgspec.structs.replace(attempt(), answer="x" * 2_000_000)
    failed = Settlement(delivery=second, state=State.DEAD, attempt=large)
    with pytest.raises(StoreError, match="cannot be written: database or disk is full"):
        await store.settle([delivered(first), failed])
    assert await store.tally() == pending
    assert await dead_letters(store) == []
    make_space(disk)
    await store.settle([delivered(third)])  # must not take the watermark past those above
    again = SqliteStore(crashed(disk, tmp_path), clock)
    came = keys(await drain(again, "a"))
    await again.close()
    assert {*keys([first, second, fourth])} <= {*came}
    short = Settlement(delivery=second, state=State.DEAD, attempt=attempt())
    await store.settle([delivered(first), short, delivered(fourth)])
    assert [letter.delivery.sequence for letter in await dead_letters(store)] == [second.sequence]
    assert (await store.tally())["a"].pending == pending["a"].pending - 4


async def test_a_full_disk_does_not_keep_a_store_from_opening(
    store: SqliteStore, disk: Path, clock: FakeClock
) -> None:
    [first] = await store.append([record("a")])
    fill(disk)
    await append_until_refused(store)
    await store.close()
    fill(disk)
    leave(disk, 200_000)  # for SQLite's own index of the log
    again = SqliteStore(disk / "data", clock)
    await again.due(EPOCH)
    assert (await claim(again, "a", 1))[0].sequence == first
    await again.close()


async def test_databases_are_not_called_damaged_where_nothing_can_be_written_beside_them(
    disk: Path, clock: FakeClock
) -> None:
    store = SqliteStore(disk / "data", clock)
    await store.append([record("a")])
    await store.close()
    fill(disk)
    with pytest.raises(ConfigurationError, match=r"beside it; is the disk full\?"):
        repair(disk / "data", EPOCH)
    with pytest.raises(
        ConfigurationError, match=r"deliveries\.sqlite cannot be opened: .*is the disk full\?"
    ):
        SqliteStore(disk / "data", clock)
    make_space(disk)
    assert examine(disk / "data").sound
