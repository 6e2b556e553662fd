"""Damaged logs: what is found, and which of them a start refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from router.errors import ConfigurationError
from router.store.base import StoreError
from router.store.ledger import LIMITS, Limits
from router.store.log.format import BEGIN, VERSION, Header, encode_header
from router.store.repair import examine, repair
from router.store.sqlite import SqliteStore
from tests.store.logs import groups_of, leave_groups, overwrite, tear
from tests.store.support import (
    EPOCH,
    Open,
    OpenLimited,
    crashed,
    dead_letters,
    delivered,
    drain,
    record,
    segments_of,
    sequences_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def left(store: SqliteStore) -> list[int]:
    return await leave_groups(store)


class TestExamining:
    async def test_a_sound_store(self, left: list[int], folder: Path) -> None:
        found = examine(folder)
        assert found.sound
        assert {finding.path.name: finding.rows for finding in found.databases} == {
            f"{left[0]}.log": 200,
            "kept.sqlite": 0,
            "deliveries.sqlite": 2 + 3,
        }
        assert repair(folder, EPOCH) == ()

    async def test_beside_a_running_router(self, left: list[int], folder: Path, opened: Open) -> None:
        store = opened(folder)
        await store.append([record("a")])
        found = examine(folder)
        assert "is in use by process" in str(found.holder)
        assert found.sound

    async def test_what_a_crash_has_left_is_no_damage(
        self, store: SqliteStore, folder: Path, opened: Open
    ) -> None:
        sequences = [at for _ in range(2) for at in await store.append([record("a")] * 3)]
        left = crashed(folder)
        [path] = segments_of(left)
        first, second = groups_of(path)
        content = path.read_bytes()
        path.write_bytes(content[: second.at + 70] + bytes(len(content) - second.at - 70))
        path.write_bytes(content[: second.end - 2])
        assert examine(left).sound
        assert await sequences_of(opened(left)) == sequences[: first.head.events]

    @pytest.mark.parametrize("part", ["head", "front", "record"])
    @pytest.mark.parametrize("group", [0, 9, 19])
    async def test_what_is_damaged_is_named(
        self, left: list[int], folder: Path, group: int, part: str
    ) -> None:
        [path] = segments_of(folder)
        at, end = groups_of(path)[group].at, groups_of(path)[group].end
        tear(path, group, part)
        [damaged] = [finding for finding in examine(folder).databases if finding.damage is not None]
        assert (damaged.path, damaged.damage) == (path, f"damaged from byte {at} to {end}")

    async def test_damages_side_by_side_are_one(self, left: list[int], folder: Path) -> None:
        [path] = segments_of(folder)
        groups = groups_of(path)
        for group in (3, 7, 8):
            tear(path, group, "front")
        [damaged] = [finding.damage for finding in examine(folder).databases if finding.damage is not None]
        alone = f"damaged from byte {groups[3].at} to {groups[3].end}"
        assert damaged == f"{alone}, damaged from byte {groups[7].at} to {groups[8].end}"

    async def test_another_layout_is_not_touched(self, left: list[int], folder: Path) -> None:
        [path] = segments_of(folder)
        path.write_bytes(encode_header(Header(VERSION + 1, left[0], b"m" * 8)))
        for ask in (examine, lambda folder: repair(folder, EPOCH)):
            with pytest.raises(ConfigurationError, match=r"another version of this router"):
                ask(folder)


class TestAStart:
    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda path: tear(path, 0, "head"), id="first head"),
            pytest.param(lambda path: tear(path, 7, "head"), id="head"),
            pytest.param(lambda path: tear(path, 19, "front"), id="last front"),
            pytest.param(lambda path: tear(path, 19, "record"), id="last record"),
            pytest.param(lambda path: overwrite(path, 0, BEGIN), id="header"),
            pytest.param(lambda path: overwrite(path, BEGIN, path.stat().st_size), id="all"),
            pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        ],
    )
    async def test_it_is_refused(
        self, left: list[int], folder: Path, opened: Open, spoil: Callable[[Path], None]
    ) -> None:
        [path] = segments_of(folder)
        spoil(path)
        with pytest.raises(
            ConfigurationError, match=rf"{path.name} is damaged .*; run `router doctor`, which"
        ):
            opened(folder)
        assert repair(folder, EPOCH)
        assert examine(folder).sound
        store = opened(folder)
        assert set(await sequences_of(store)) < set(left)
        [new] = await store.append([record("b")])
        assert (await sequences_of(store))[-1] == new > left[-1]

    async def test_a_page_at_the_end_that_the_disk_cannot_give_is_no_crash(
        self, store: SqliteStore, folder: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody knows whether what stands there was promised: the doctor has to let it go."""
        sequences = [at for _ in range(3) for at in await store.append([record("a", data=bytes(6_000))])]
        left = crashed(folder)
        await store.close()
        [path] = segments_of(left)
        broken, inode = groups_of(path)[2].end - 100, path.stat().st_ino
        pread = os.pread

        def failing(handle: int, size: int, at: int) -> bytes:
            if at <= broken < at + size and os.fstat(handle).st_ino == inode:
                raise OSError(errno.EIO, "Input/output error")
            return pread(handle, size, at)

        monkeypatch.setattr(os, "pread", failing)
        with pytest.raises(ConfigurationError, match=rf"{path.name} is damaged .*; run `router doctor`"):
            opened(left)
        assert not examine(left).sound
        assert repair(left, EPOCH)
        store = opened(left)
        assert [delivery.sequence for delivery in await drain(store, "a")] == sequences[:2]
        assert [letter.delivery.sequence for letter in await dead_letters(store)] == sequences[2:]

    async def test_what_it_has_to_read_elsewhere_is_told(
        self, left: list[int], folder: Path, limited: OpenLimited
    ) -> None:
        store = limited(folder, Limits(bytes=1))
        await store.append([record("c")])
        await store.close()
        tear(segments_of(folder)[0], 7, "front")  # `b` waits for it
        with pytest.raises(ConfigurationError, match=r"is damaged from byte .*; run `router doctor`"):
            limited(folder, LIMITS)

    async def test_what_it_need_not_read_is_told_to_readers(
        self, left: list[int], folder: Path, limited: OpenLimited
    ) -> None:
        store = limited(folder, Limits(bytes=1))
        await store.append([record("c")])
        for target in "ab":
            await store.settle([delivered(delivery) for delivery in await drain(store, target)])
        await store.close()
        path = segments_of(folder)[0]
        tear(path, 3, "record")
        tear(path, 7, "front")
        store = limited(folder, LIMITS)
        with pytest.raises(StoreError, match=f"the record {left[30]} cannot be read"):
            await store.get(left[30])
        with pytest.raises(StoreError, match=r"is damaged from byte .*; stop the router, and run"):
            await store.get(left[70])
        assert await store.get(left[80]) is not None
