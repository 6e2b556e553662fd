"""Damaged logs: a repair keeps what stands around the damage."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import ConfigurationError
from router.events.received import Original
from router.store.base import Record, StoreError
from router.store.ledger import Limits
from router.store.log.format import BEGIN
from router.store.loss import losses
from router.store.missing import Gap, Undelivered
from router.store.repair import examine, repair
from router.store.sqlite import SqliteStore
from tests.store.logs import leave_groups, tear
from tests.store.support import (
    EPOCH,
    FakeClock,
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


class TestRepair:
    @pytest.mark.parametrize("part", ["head", "front"])
    async def test_a_group_is_lost_and_nothing_else(
        self, left: list[int], folder: Path, opened: Open, part: str
    ) -> None:
        [path] = segments_of(folder)
        tear(path, 7, part)
        before = path.read_bytes()
        found = [finding.missing for finding in examine(folder).databases]
        [kept] = repair(folder, EPOCH)
        assert (kept.path, kept.rows) == (path, 190)
        assert kept.broken.name == f"{left[0]}.log.broken-{EPOCH:.0f}"
        assert kept.broken.read_bytes() == before
        assert kept.missing in found
        assert kept.missing is not None
        count = 10 if part == "front" else None
        assert [(gap.first, gap.last, gap.count) for gap in kept.missing.gaps] == [
            (left[70], left[79], count)
        ]
        assert [loss.missing for _, loss in losses(folder)] == [kept.missing]
        store = opened(folder)
        assert await sequences_of(store) == left[:70] + left[80:]
        assert [delivery.sequence for delivery in await drain(store, "b")] == left[:70] + left[80:]

    async def test_what_waits_of_it_becomes_a_dead_letter(
        self, left: list[int], folder: Path, opened: Open
    ) -> None:
        [path] = segments_of(folder)
        tear(path, 0, "front")
        [kept] = repair(folder, EPOCH)
        assert kept.missing is not None
        assert kept.missing.gaps == (Gap(left[0], left[9], 10),)
        assert kept.missing.undelivered == (
            Undelivered("a", 2, 0, unsure=False),
            Undelivered("b", 0, 10, unsure=False),
        )
        letters = await dead_letters(opened(folder), "a")
        assert [letter.delivery.sequence for letter in letters] == left[:2]
        assert "is lost" in str(letters[1].delivery.attempts[-1].error)

    async def test_of_a_torn_record_it_is_known_where_it_goes(
        self, left: list[int], folder: Path, opened: Open
    ) -> None:
        [path] = segments_of(folder)
        tear(path, 7, "record")
        [kept] = repair(folder, EPOCH)
        assert (kept.rows, bool(kept.missing)) == (200, False)
        [finding, *_] = examine(folder).databases
        assert (len(finding.unreadable), finding.sound) == (1, True)
        assert finding.unreadable[0].startswith(f"event {left[70]}: ")
        store = opened(folder)
        assert [delivery.sequence for delivery in await drain(store, "b")] == left[:70] + left[71:]
        assert [letter.delivery.sequence for letter in await dead_letters(store, "b")] == [left[70]]

    async def test_senders_requests_are_kept(self, store: SqliteStore, folder: Path, opened: Open) -> None:
        original = Original(b"body", "text/plain")
        [first] = await store.append([record("a")])
        sequences = await store.append([msgspec.structs.replace(record("a"), original=original)] * 3)
        await store.close()
        tear(segments_of(folder)[0], 0, "front")
        [kept] = repair(folder, EPOCH)
        assert kept.rows == 4
        store = opened(folder)
        assert await store.get(first) is None
        for sequence in sequences:
            stored = await store.get(sequence)
            assert stored is not None
            assert stored.record.original == original

    @pytest.mark.parametrize("step", [0, 1])
    async def test_the_next_one_goes_on_where_it_was_interrupted(
        self, left: list[int], folder: Path, opened: Open, step: int
    ) -> None:
        [path] = segments_of(folder)
        tear(path, 7, "front")
        done = Path(shutil.copytree(folder, folder.with_name("done")))
        [kept] = repair(done, EPOCH)
        shutil.copy(kept.path, path.with_name(f"{path.name}.new-{EPOCH:.0f}"))
        if step == 1:
            path.rename(path.with_name(kept.broken.name))
        with pytest.raises(ConfigurationError, match="was interrupted; run `router doctor`"):
            opened(folder)
        assert repair(folder, EPOCH + 60) == ()
        names = sorted(one.name for one in (folder / "events").iterdir())
        assert names == sorted([path.name, kept.broken.name, "kept.sqlite"])
        assert await sequences_of(opened(folder)) == left[:70] + left[80:]

    async def test_one_of_many(self, limited: OpenLimited, folder: Path) -> None:
        store = limited(folder, Limits(bytes=1))
        sequences = [at for _ in range(5) for at in await store.append([record("a")] * 2)]
        await store.close()
        segments_of(folder)[2].write_bytes(b"no log at all" * 1_000)
        [kept] = repair(folder, EPOCH)
        assert kept.path == segments_of(folder)[2]
        assert await sequences_of(limited(folder, Limits(bytes=1))) == sequences[:4] + sequences[6:]

    async def test_the_end_of_a_closed_one_is_missed(self, limited: OpenLimited, folder: Path) -> None:
        store = limited(folder, Limits(bytes=1))
        sequences = [at for _ in range(3) for at in await store.append([record("a")] * 2)]
        await store.close()
        path = segments_of(folder)[1]
        path.write_bytes(path.read_bytes()[:BEGIN])
        [finding] = [one for one in examine(folder).databases if one.damage is not None]
        assert (finding.path, finding.damage) == (path, "its end is missing")
        [kept] = repair(folder, EPOCH)
        assert kept.missing is not None
        assert kept.missing.gaps == (Gap(sequences[2], sequences[3], None),)
        assert examine(folder).sound


async def test_what_cannot_be_read_does_not_keep_a_segment_for_ever(
    left: list[int], folder: Path, limited: OpenLimited, clock: FakeClock
) -> None:
    """An event whose record is torn is kept without it where it is waited for: then it is a dead letter."""
    store = limited(folder, Limits(bytes=1))
    await store.append([record("c")])
    await store.close()
    tear(segments_of(folder)[0], 7, "record")
    store = limited(folder, Limits(bytes=1))
    await store.settle([delivered(delivery) for delivery in await drain(store, "a")])
    clock.advance(10_000)
    await store.trim(clock.now(), 10**12)
    assert left[0] not in [int(path.stem) for path in segments_of(folder)]
    assert len([at for at in await sequences_of(store) if at in left]) == 199
    found = [delivery.sequence for delivery in await drain(store, "b")]
    assert [at for at in found if at in left] == left[:70] + left[71:]
    assert [letter.delivery.sequence for letter in await dead_letters(store, "b")] == [left[70]]


class Blow(NamedTuple):
    """What is done to a log: so many bytes from a place on are changed, cut out, doubled, or set to zeros."""

    at: int
    size: int
    kind: str

    def strike(self, path: Path) -> None:
        content = path.read_bytes()
        at = self.at % len(content)
        hit = content[at : at + self.size]
        changed = bytes(byte ^ 0x20 for byte in hit)
        new = {"change": changed, "cut": b"", "double": hit * 2, "zero": bytes(len(hit))}[self.kind]
        path.write_bytes(content[:at] + new + content[at + self.size :])


blows = st.builds(
    Blow, st.integers(0, 10**6), st.integers(1, 3_000), st.sampled_from(["change", "cut", "double", "zero"])
)


@given(blow=blows, log=st.integers(0, 3), killed=st.booleans())
@settings(max_examples=20, deadline=None)
def test_whatever_is_done_to_a_log_nothing_wrong_is_given_and_a_repair_makes_it_good(
    blow: Blow, log: int, *, killed: bool
) -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "data"
        anyio.run(struck, folder, blow, log, killed)


async def struck(folder: Path, blow: Blow, log: int, killed: bool) -> None:
    """Strike one of four logs, and look before and after a repair."""
    store = SqliteStore(folder, FakeClock(), Limits(bytes=4_000))
    made = {
        at: one
        for number in range(12)
        for group in [[record("a", name=f"{number}.{at}", data=bytes(number * 100)) for at in range(3)]]
        for at, one in zip(await store.append(group), group, strict=True)
    }
    left = crashed(folder) if killed else folder
    await store.close()
    blow.strike(segments_of(left)[log % len(segments_of(left))])
    before = set()
    with contextlib.suppress(ConfigurationError):
        before = await right(left, made)
    repair(left, EPOCH)
    assert examine(left).sound
    assert before <= await right(left, made)


async def right(folder: Path, made: dict[int, Record]) -> set[int]:
    """The events that a store gives of those that were made: each is as it was, and has its number alone."""
    store = SqliteStore(folder, FakeClock(), Limits(bytes=4_000))
    found: dict[int, Record] = {}
    with contextlib.suppress(StoreError):
        found = {stored.sequence: stored.record async for stored in store.scan()}
    [new] = await store.append([record("a", name="new")])
    await store.close()
    assert new not in found
    found = {at: one for at, one in found.items() if one.event.id != "new"}
    assert found == {at: made[at] for at in found}
    return set(found)
