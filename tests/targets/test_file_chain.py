"""A chained file as the target writes it, and the checkpoints that are made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from structlog.testing import capture_logs

from router.audit import keys
from router.audit.checkpoints import TYPE, Checkpoint, found_in
from router.audit.records import ORIGIN, link_of
from router.audit.streams import lines
from router.audit.verify import verify
from router.events import Event
from router.targets.base import Body, Delivered, Message
from tests.audit.chains import forged
from tests.support import HandClock
from tests.targets.clock import StandingClock
from tests.targets.filing import DAY, KEY, NOON, Told, deliver, message, names, opened, sequences

pytestmark = pytest.mark.anyio

SIGNED: dict[str, Any] = {"chain": {"key": KEY, "checkpoints": "copy", "every": 3}}


def beside(folder: Path, name: str = "audit.jsonl") -> list[Checkpoint]:
    with (folder / f"{name}.checkpoints").open("rb") as file:
        return list(found_in(file))


async def until(what: Callable[[], object]) -> None:
    with anyio.fail_after(10):
        while not what():
            await anyio.lowlevel.checkpoint()


class TestRecords:
    async def test_what_stands_in_one(self, tmp_path: Path) -> None:
        async with opened(tmp_path, chain=True) as target:
            await deliver(target, 7)
        line = (tmp_path / "audit.jsonl").read_bytes()
        record = msgspec.json.decode(line)
        assert list(record) == ["n", "prev", "event", "rules", "id", "sequence", "time", "hash"]
        assert (record["n"], record["prev"], record["id"]) == (1, "0" * 64, "7-audit")
        assert record["hash"] == hashlib.sha256(line[: line.index(b',"hash"')]).hexdigest()

    async def test_numbers_keep_their_spelling_and_a_hash_in_the_data_fools_nobody(
        self, tmp_path: Path
    ) -> None:
        data = b'{"big":12345678901234567890123,"hash":"' + b"0" * 64 + b'"}'
        event = Event(id="1", source="/s", type="t", data=data)
        async with opened(tmp_path, chain=True) as target:
            await target.deliver([Message("1-a", 1, event, None, (), 1)])
            await target.deliver([Message("2-a", 2, event, Body(data, "text/plain"), (), 1)])
        assert b'"big":12345678901234567890123,' in (tmp_path / "audit.jsonl").read_bytes()
        assert verify([tmp_path / "audit.jsonl"]).last == 2

    async def test_the_chain_goes_on_over_files_days_and_restarts(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON)
        settings: dict[str, Any] = {
            "path": "{date}.jsonl",
            "rotate": {"size": "600B"},
            "chain": True,
            "compress": "zstd",
        }
        for day in range(3):
            async with opened(tmp_path, clock, **settings) as target:
                for number in range(5):
                    await deliver(target, day * 10 + number, size=100)
            clock.time += DAY
        verdict = verify([tmp_path / name for name in names(tmp_path)])
        assert (verdict.fault, verdict.last) == (None, 15)
        assert len(names(tmp_path)) > 5

    @pytest.mark.parametrize("first", [True, False])
    async def test_a_file_is_of_one_form(self, tmp_path: Path, first: bool) -> None:
        async with opened(tmp_path, chain=first) as target:
            await deliver(target, 1)
        async with opened(tmp_path, chain=not first) as target:
            await deliver(target, 1, 2)
        with capture_logs() as log:
            async with opened(tmp_path, chain=not first) as target:
                await deliver(target, 3)
        assert sequences(tmp_path / "audit.000001.jsonl") == [1]
        assert sequences(tmp_path / "audit.jsonl") == [2, 3]
        assert log == []
        assert verify([tmp_path / ("audit.000001.jsonl" if first else "audit.jsonl")]).fault is None

    async def test_a_line_torn_on_an_earlier_day_is_set_aside_before_it_is_packed(
        self, tmp_path: Path
    ) -> None:
        settings: dict[str, Any] = {"path": "{date}.jsonl", "chain": True, "compress": "gzip"}
        async with opened(tmp_path, **settings) as target:
            await deliver(target, 1, 2)
        with (tmp_path / "2026-11-22.jsonl").open("ab") as file:
            file.write(b'{"n":3,"prev":"abc')  # what a kill leaves of a write
        expected = ["2026-11-22.jsonl.gz", "2026-11-22.jsonl.torn-1", "2026-11-23.jsonl"]
        async with opened(tmp_path, StandingClock(NOON + DAY), **settings) as target:
            await deliver(target, 3)
            await until(lambda: names(tmp_path) == expected)
        assert (tmp_path / "2026-11-22.jsonl.torn-1").read_bytes() == b'{"n":3,"prev":"abc'
        verdict = verify([tmp_path / "2026-11-22.jsonl.gz", tmp_path / "2026-11-23.jsonl"])
        assert (verdict.fault, verdict.last, verdict.torn) == (None, 3, ())

    async def test_a_file_that_was_laid_hands_on_is_gone_on_with_and_found(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        async with opened(tmp_path, chain=True) as target:
            await deliver(target, 1, 2)
        path.write_bytes(path.read_bytes().replace(b'"e2"', b'"e3"'))
        async with opened(tmp_path, chain=True) as target:
            await deliver(target, 3)
        fault = verify([path]).fault
        assert fault is not None
        assert (fault.what, fault.first) == ("changed", 2)

    async def test_a_packed_end_that_is_damaged_begins_no_other_chain(self, tmp_path: Path) -> None:
        async with opened(tmp_path, rotate={"size": "1B"}, chain=True) as target:
            await deliver(target, 1)
            await deliver(target, 2)
            (tmp_path / "audit.000001.jsonl").rename(tmp_path / "audit.000001.jsonl.zst")
            (tmp_path / "audit.jsonl").unlink()
            (outcome,) = await deliver(target, 3)
        assert "is damaged" in str(outcome)


class TestCheckpoints:
    async def test_every_so_many_records(self, tmp_path: Path) -> None:
        told = Told()
        async with opened(tmp_path, told=told, **SIGNED) as target:
            await deliver(target, 1, 2)
            await deliver(target, 3, 4)
            await until(lambda: told.events)
            await deliver(target, 5)
            assert [one.count for one in beside(tmp_path)] == [4]
        assert [one.count for one in beside(tmp_path)] == [4, 5]
        public = keys.private(KEY).public_key()
        assert all(one.is_signed_by([public]) for one in beside(tmp_path))
        verdict = verify([tmp_path / "audit.jsonl"], beside(tmp_path))
        assert (verdict.fault, verdict.covered, verdict.agreed) == (None, 5, 2)
        event, to = told.events[0]
        assert (event.type, event.source, event.subject, to) == (
            TYPE, "/rule-router/targets/audit", "audit", "copy",
        )  # fmt: skip
        assert event.data is not None
        assert [msgspec.json.decode(event.data, type=Checkpoint)] == beside(tmp_path)[:1]

    async def test_every_so_many_seconds_if_there_is_anything_new(self, tmp_path: Path) -> None:
        clock, told = HandClock(NOON), Told()
        async with opened(
            tmp_path, clock, told, chain={"key": KEY, "checkpoints": "c", "every": "10s"}
        ) as target:
            await deliver(target, 1)
            await anyio.wait_all_tasks_blocked()
            clock.advance(9)
            await anyio.wait_all_tasks_blocked()
            assert told.events == []
            clock.advance(1)
            await until(lambda: len(told.events) == 1)
            await anyio.wait_all_tasks_blocked()
            clock.advance(10)
            await anyio.wait_all_tasks_blocked()
            await deliver(target, 2)
        assert [one.count for one in beside(tmp_path)] == [1, 2]

    async def test_at_the_end_of_each_file_and_day(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON)
        settings: dict[str, Any] = {
            "path": "{date}.jsonl",
            "rotate": {"size": "1B"},
            "chain": {"key": KEY, "every": 1000},
        }
        async with opened(tmp_path, clock, **settings) as target:
            await deliver(target, 1, 2)
            await deliver(target, 3)
            clock.time += DAY
            await deliver(target, 4)
        assert [one.count for one in beside(tmp_path, "2026-11-22.jsonl")] == [2, 3]
        assert [one.count for one in beside(tmp_path, "2026-11-23.jsonl")] == [4]

    async def test_at_a_start_for_what_a_crash_left_uncovered(self, tmp_path: Path) -> None:
        async with opened(tmp_path, chain=True) as target:
            await deliver(target, 1, 2)
        told = Told()
        async with opened(tmp_path, told=told, **SIGNED):
            await until(lambda: told.events)
        assert [one.count for one in beside(tmp_path)] == [2]

    async def test_records_of_checkpoints_alone_make_none(self, tmp_path: Path) -> None:
        async with opened(tmp_path, **SIGNED) as target:
            await target.deliver([message(number, event_type=TYPE) for number in range(9)])
        assert names(tmp_path) == ["audit.jsonl"]

    async def test_one_that_cannot_be_stored_is_told_later(self, tmp_path: Path) -> None:
        clock, told = HandClock(NOON), Told()
        told.deaf = True
        async with opened(tmp_path, clock, told, **SIGNED) as target:
            with capture_logs() as log:
                await deliver(target, 1, 2, 3)
                await until(lambda: log)
            told.deaf = False
            await anyio.wait_all_tasks_blocked()
            clock.advance(5)
            await until(lambda: told.events)
        assert log[0]["event"] == "file.checkpoint_untold"
        assert len(told.events) == 1

    async def test_one_that_cannot_be_written_costs_no_record(self, tmp_path: Path) -> None:
        (tmp_path / "audit.jsonl.checkpoints").mkdir()
        with capture_logs() as log:
            async with opened(tmp_path, **SIGNED) as target:
                assert await deliver(target, 1, 2, 3) == [Delivered()] * 3
                assert await deliver(target, 4) == [Delivered()]
        assert [line["event"] for line in log] == ["file.checkpoint_unwritten"]

    async def test_a_file_that_was_rewritten_is_said_at_the_start_and_found(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        async with opened(tmp_path, **SIGNED) as target:
            await deliver(target, 1, 2, 3)
        path.write_bytes(
            b"".join(forged(path.read_bytes().replace(b'"e2"', b'"e9"').splitlines(keepends=True)))
        )
        with capture_logs() as log:
            async with opened(tmp_path, **SIGNED) as target:
                assert await deliver(target, 4) == [Delivered()]
        assert [(line["event"], line["record"]) for line in log] == [("audit.altered", 3)]
        fault = verify([path], beside(tmp_path)).fault
        assert fault is not None
        assert (fault.first, fault.last) == (1, 3)

    async def test_a_file_that_was_cut_back_is_said_at_the_start(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        async with opened(tmp_path, **SIGNED) as target:
            await deliver(target, 1, 2, 3)
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
        with capture_logs() as log:
            async with opened(tmp_path, **SIGNED):
                pass
        found = log[0]["event"], log[0]["records"], log[0]["checkpoint"]
        assert found == ("file.records_missing", 2, 3)


async def test_records_of_the_target_are_what_verify_reads(tmp_path: Path) -> None:
    async with opened(tmp_path, chain=True) as target:
        await deliver(target, *range(20))
    with (tmp_path / "audit.jsonl").open("rb") as file:
        prev = ORIGIN
        for number, line in enumerate(lines("audit.jsonl", file), 1):
            link = link_of(line)
            assert link is not None
            assert (link.n, link.prev, link.is_sound) == (number, prev, True)
            prev = link.hash
