"""One file after another: rotation, packing, retention."""

from __future__ import annotations

import gzip
import os
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from router.audit.streams import Packing
from router.audit.verify import verify
from router.targets.base import Delivered
from router.targets.file import FileSettings
from router.targets.file_names import Names, beside
from router.targets.file_series import Series
from router.targets.file_tidy import tidy
from tests.support import HandClock
from tests.targets.clock import StandingClock
from tests.targets.filing import DAY, HOUR, KEY, NOON, deliver, message, names, opened, sequences

pytestmark = pytest.mark.anyio


async def until(folder: Path, *expected: str) -> None:
    """Wait until exactly these files are there."""
    with anyio.fail_after(10):
        while names(folder) != sorted(expected):
            await anyio.lowlevel.checkpoint()


class TestSettings:
    @pytest.mark.parametrize(
        "settings",
        [
            {"rotate": {"size": "1MB"}},
            {"rotate": {"every": "1h"}, "compress": "gzip", "keep": "400d"},
            {"path": "{date}.jsonl", "compress": "zstd", "keep": "1d"},
            {"chain": True},
            {"chain": False},
            {"chain": {"key": KEY}},
            {"chain": {"key": KEY, "every": 1000, "checkpoints": "copy"}},
            {"chain": {"key": KEY, "every": "1000"}},
            {"chain": {"key": KEY, "every": "1m"}},
        ],
    )
    def test_what_is_taken(self, settings: dict[str, Any]) -> None:
        FileSettings.model_validate({"path": "audit.jsonl", **settings})

    @pytest.mark.parametrize(
        ("settings", "what"),
        [
            ({"rotate": {}}, "says not when: write size, every, or both"),
            ({"rotate": {"size": "0B"}}, "greater than or equal to 1"),
            ({"compress": "gzip"}, "compress is about finished files, and none ever is"),
            ({"keep": "1d"}, "keep is about finished files, and none ever is"),
            ({"rotate": {"size": "1MB"}, "compress": "bzip2"}, "'gzip' or 'zstd'"),
            ({"chain": {"key": "no key"}}, "router audit key FILE makes one"),
            ({"chain": {}}, "Field required"),
            ({"chain": "yes please"}, "valid boolean"),
            ({"chain": {"key": KEY, "every": 0}}, "at least one record"),
            ({"chain": {"key": KEY, "every": "500ms"}}, "at least one record, or one second"),
            ({"chain": {"key": KEY, "every": True}}, "wants a number of records such as 1000, or a dur"),
            ({"chain": {"key": KEY, "every": "soon"}}, "'soon' is no duration"),
        ],
    )
    def test_what_is_refused(self, settings: dict[str, Any], what: str) -> None:
        with pytest.raises(ValidationError) as caught:
            FileSettings.model_validate({"path": "audit.jsonl", **settings})
        (fault,) = caught.value.errors()
        assert what in fault["msg"]
        assert "no key" not in fault["msg"]


class TestRotation:
    async def test_by_size(self, tmp_path: Path) -> None:
        async with opened(tmp_path, rotate={"size": "500B"}) as target:
            for number in range(6):
                await deliver(target, number, size=200)
        first, second, last = (tmp_path / name for name in names(tmp_path))
        assert (first.name, last.name) == ("audit.000001.jsonl", "audit.jsonl")
        assert sequences(first, second, last) == list(range(6))
        assert first.stat().st_size >= 500

    async def test_by_time_at_whole_multiples_of_it(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON + HOUR - 1)
        async with opened(tmp_path, clock, rotate={"every": "1h"}) as target:
            await deliver(target, 1)
            clock.time += 1
            await deliver(target, 2)
            clock.time += HOUR - 1
            await deliver(target, 3)
        assert sequences(tmp_path / "audit.000001.jsonl") == [1]
        assert sequences(tmp_path / "audit.jsonl") == [2, 3]

    async def test_by_time_over_a_restart(self, tmp_path: Path) -> None:
        async with opened(tmp_path, rotate={"every": "1h"}) as target:
            await deliver(target, 1)
        async with opened(tmp_path, StandingClock(NOON + HOUR), rotate={"every": "1h"}) as target:
            await deliver(target, 2)
        assert sequences(tmp_path / "audit.000001.jsonl") == [1]

    async def test_an_empty_file_is_not_finished(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON)
        async with opened(tmp_path, clock, rotate={"every": "1h"}) as target:
            clock.time += DAY
            await deliver(target, 1)
        assert names(tmp_path) == ["audit.jsonl"]

    async def test_numbers_go_on_after_a_restart(self, tmp_path: Path) -> None:
        for number in range(3):
            async with opened(tmp_path, rotate={"size": "1B"}) as target:
                await deliver(target, number)
        assert names(tmp_path) == ["audit.000001.jsonl", "audit.000002.jsonl", "audit.jsonl"]

    async def test_within_an_hour_of_a_day(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON)
        async with opened(tmp_path, clock, path="{date}/{hour}.jsonl", rotate={"size": "1B"}) as target:
            await deliver(target, 1)
            await deliver(target, 2)
            clock.time += HOUR
            await deliver(target, 3)
        assert names(tmp_path) == [
            "2026-11-22/12.000001.jsonl", "2026-11-22/12.jsonl", "2026-11-22/13.jsonl",
        ]  # fmt: skip

    async def test_a_clock_that_is_set_back_begins_no_older_file(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON)
        with capture_logs() as log:
            async with opened(tmp_path, clock, path="{date}.jsonl") as target:
                await deliver(target, 1)
                clock.time -= DAY
                assert await deliver(target, 2) == [Delivered()]
                await deliver(target, 3)
            async with opened(tmp_path, clock, path="{date}.jsonl") as target:
                await deliver(target, 4)
                clock.time += 2 * DAY
                await deliver(target, 5)
        assert sequences(tmp_path / "2026-11-22.jsonl") == [1, 2, 3, 4]
        assert sequences(tmp_path / "2026-11-23.jsonl") == [5]
        assert [line["event"] for line in log].count("file.clock_is_behind") == 2


class TestPacking:
    @pytest.mark.parametrize(("compress", "suffix"), [("gzip", ".gz"), ("zstd", ".zst")])
    async def test_finished_files_are_packed(self, tmp_path: Path, compress: str, suffix: str) -> None:
        async with opened(tmp_path, rotate={"size": "1B"}, compress=compress) as target:
            await deliver(target, 1, 2)
            await deliver(target, 3)
            packed = f"audit.000001.jsonl{suffix}"
            await until(tmp_path, packed, "audit.jsonl")
        assert sequences(tmp_path / packed) == [1, 2]

    async def test_so_are_those_of_days_that_are_over(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON)
        async with opened(tmp_path, clock, path="{date}.jsonl", compress="gzip") as target:
            await deliver(target, 1)
            clock.time += DAY
            await deliver(target, 2)
            await until(tmp_path, "2026-11-22.jsonl.gz", "2026-11-23.jsonl")

    async def test_what_a_crash_left_half_packed_is_packed_again(self, tmp_path: Path) -> None:
        async with opened(tmp_path, rotate={"size": "1B"}) as target:
            await deliver(target, 1)
            await deliver(target, 2)
        (tmp_path / "audit.000001.jsonl.gz.part").write_bytes(b"half")
        async with opened(tmp_path, rotate={"size": "1B"}, compress="gzip"):
            await until(tmp_path, "audit.000001.jsonl.gz", "audit.jsonl")
        assert sequences(tmp_path / "audit.000001.jsonl.gz") == [1]

    async def test_what_a_crash_left_packed_and_not_removed_is_removed(self, tmp_path: Path) -> None:
        async with opened(tmp_path, rotate={"size": "1B"}) as target:
            await deliver(target, 1)
            await deliver(target, 2)
        packed = tmp_path / "audit.000001.jsonl.gz"
        packed.write_bytes(gzip.compress((tmp_path / "audit.000001.jsonl").read_bytes()))
        before = packed.read_bytes()
        async with opened(tmp_path, rotate={"size": "1B"}, compress="gzip"):
            await until(tmp_path, "audit.000001.jsonl.gz", "audit.jsonl")
        assert packed.read_bytes() == before

    @pytest.mark.parametrize("other", [gzip.compress(b"another\n"), b"damaged"], ids=["packed", "damaged"])
    async def test_no_other_packed_file_is_written_over(self, tmp_path: Path, other: bytes) -> None:
        packed = tmp_path / "audit.000001.jsonl.gz"
        async with opened(tmp_path, rotate={"size": "1B"}) as target:
            await deliver(target, 1)
            await deliver(target, 2)
        packed.write_bytes(other)
        with capture_logs() as log:
            async with opened(tmp_path, rotate={"size": "1B"}, compress="gzip"):
                with anyio.fail_after(10):
                    while not log:
                        await anyio.lowlevel.checkpoint()
        assert "holds something else" in log[0]["error"]
        assert packed.read_bytes() == other
        assert sequences(tmp_path / "audit.000001.jsonl") == [1]

    async def test_what_cannot_be_packed_stays_and_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "audit.000001.jsonl.gz.part").mkdir()
        with capture_logs() as log:
            async with opened(tmp_path, rotate={"size": "1B"}, compress="gzip") as target:
                await deliver(target, 1)
                await deliver(target, 2)
                with anyio.fail_after(10):
                    while not log:
                        await anyio.lowlevel.checkpoint()
                assert await deliver(target, 3) == [Delivered()]
        assert log[0]["event"] == "file.untidied"
        assert sequences(tmp_path / "audit.000001.jsonl") == [1]


class TestRetention:
    async def test_what_was_kept_long_enough_is_removed(self, tmp_path: Path) -> None:
        async with opened(tmp_path, rotate={"size": "1B"}) as target:
            for number in range(4):
                await deliver(target, number)
        for number, age in ((1, 400 * DAY + 1), (2, 400 * DAY - 1)):
            path = tmp_path / f"audit.{number:06}.jsonl"
            os.utime(path, (NOON - age, NOON - age))
        os.utime(tmp_path / "audit.jsonl", (0, 0))  # it is being written, however old
        (tmp_path / "other.000001.jsonl").write_bytes(b"")
        os.utime(tmp_path / "other.000001.jsonl", (0, 0))
        left = ("audit.000002.jsonl", "audit.000003.jsonl", "audit.jsonl", "other.000001.jsonl")
        clock = HandClock(NOON)
        async with opened(tmp_path, clock, rotate={"size": "1B"}, keep="400d"):
            await until(tmp_path, *left)
            clock.advance(HOUR)  # nothing is written meanwhile
            await until(tmp_path, *left[1:])

    async def test_a_packed_file_is_as_old_as_its_last_line(self, tmp_path: Path) -> None:
        async with opened(tmp_path, rotate={"size": "1B"}) as target:
            await deliver(target, 1)
            await deliver(target, 2)
        os.utime(tmp_path / "audit.000001.jsonl", (NOON - 5, NOON - 5))
        async with opened(tmp_path, rotate={"size": "1B"}, compress="zstd"):
            await until(tmp_path, "audit.000001.jsonl.zst", "audit.jsonl")
        assert (tmp_path / "audit.000001.jsonl.zst").stat().st_mtime == NOON - 5

    async def test_the_newest_file_with_records_stays_and_the_chain_goes_on(self, tmp_path: Path) -> None:
        settings: dict[str, Any] = {"path": "{date}.jsonl", "chain": {"key": KEY}, "keep": "1d"}
        for number in (1, 2):
            async with opened(tmp_path, HandClock(NOON - DAY * (5 - number)), **settings) as target:
                await deliver(target, number)
        for name in names(tmp_path):
            os.utime(tmp_path / name, (NOON - 3 * DAY, NOON - 3 * DAY))
        left: tuple[str, ...] = ("2026-11-19.jsonl", "2026-11-19.jsonl.checkpoints")
        for day in (0, 1):  # idle days
            clock = HandClock(NOON + day * DAY)
            async with opened(tmp_path, clock, **settings):
                left += (f"2026-11-{22 + day}.jsonl", f"2026-11-{22 + day}.jsonl.checkpoints")
                await until(tmp_path, *left)
        async with opened(tmp_path, HandClock(NOON + 2 * DAY), **settings) as target:
            await deliver(target, 3)
        verdict = verify([tmp_path / "2026-11-24.jsonl"], first=3)
        assert (verdict.fault, verdict.last) == (None, 3)


class TestWhatIsStillWritten:
    """Packing runs in a thread of its own: the writer may begin another file meanwhile."""

    def series(self, folder: Path) -> Series:
        found = Series(folder, FileSettings.model_validate({"path": "{date}.jsonl", "chain": True}), None)
        found.open(NOON)
        found.append([message(1)], NOON)
        return found

    @pytest.mark.parametrize(("packing", "keep"), [("gzip", None), (None, 0.5)])
    def test_a_file_begun_since_is_left_alone(
        self, tmp_path: Path, packing: Packing | None, keep: float | None
    ) -> None:
        series = self.series(tmp_path)
        current = series.path
        series.append([message(2)], NOON + DAY)
        begun = tmp_path / series.path
        os.utime(begun, (0, 0))
        tidy(tmp_path, Names("{date}.jsonl"), current, packing, keep, NOON + DAY)
        series.append([message(3)], NOON + DAY)
        series.close()
        assert sequences(begun) == [2, 3]

    @pytest.mark.parametrize(("packing", "keep"), [("gzip", None), (None, 0.5)])
    def test_so_is_one_that_is_open_with_a_newer_one_beside(
        self, tmp_path: Path, packing: Packing | None, keep: float | None
    ) -> None:
        series = self.series(tmp_path)
        written = tmp_path / series.path
        os.utime(written, (0, 0))
        newer = tmp_path / "2026-11-30.jsonl"
        newer.write_bytes(written.read_bytes())
        with capture_logs() as log:
            tidy(tmp_path, Names("{date}.jsonl"), PurePosixPath("2026-11-01.jsonl"), packing, keep, NOON)
        assert (names(tmp_path), log) == (["2026-11-22.jsonl", "2026-11-30.jsonl"], [])
        series.close()


@pytest.mark.parametrize(
    "template",
    ["audit.jsonl", "a/{date}.jsonl", "{date}/{hour}/a [x].jsonl", "[a]/{date}{date}", ".hidden", "a.{date}"],
)
def test_names_are_found_again(template: str, tmp_path: Path) -> None:
    known = Names(template)
    when = known.when(NOON)
    current, finished = known.path(when), known.finished(when, 3)
    packed = known.finished(when, 2)
    packed = packed.with_name(f"{packed.name}.zst")
    strangers = [f"{current}.torn-1", f"{finished}.gz.part", f"{current}x"]
    for name in (*map(str, (current, finished, packed)), *strangers, f"{current}.checkpoints"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [piece.path for piece in known.pieces(tmp_path)] == [packed, finished, current]
    assert [path for _, path in known.beside(tmp_path)] == [PurePosixPath(f"{current}.checkpoints")]
    for path in (current, finished, packed):
        assert beside(tmp_path / path) == tmp_path / f"{current}.checkpoints"
