"""Every record once: what an earlier life wrote and could not say so is not written again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from router.targets import file_tail
from router.targets.base import Delivered, RetryLater
from tests.targets.clock import StandingClock
from tests.targets.filing import DAY, NOON, deliver, names, opened, sequences

pytestmark = pytest.mark.anyio

KINDS: list[dict[str, Any]] = [{}, {"chain": True}]


@pytest.mark.parametrize("kind", KINDS)
class TestAgain:
    async def test_what_is_in_the_file_is_delivered_already(
        self, tmp_path: Path, kind: dict[str, Any]
    ) -> None:
        async with opened(tmp_path, **kind) as target:
            await deliver(target, 1, 2, 3)
        async with opened(tmp_path, **kind) as target:
            assert await deliver(target, 2, 3, 4) == [Delivered()] * 3
            assert await deliver(target, 5) == [Delivered()]
        assert sequences(tmp_path / "audit.jsonl") == [1, 2, 3, 4, 5]

    async def test_also_in_files_that_were_finished_and_packed(
        self, tmp_path: Path, kind: dict[str, Any]
    ) -> None:
        more = {**kind, "rotate": {"size": "1B"}, "compress": "zstd"}
        async with opened(tmp_path, **more) as target:
            for number in range(4):
                await deliver(target, number)
        async with opened(tmp_path, **more) as target:
            await deliver(target, 0, 1, 2, 3, 4)
        found = [tmp_path / name for name in names(tmp_path)]
        assert sorted(sequences(*found)) == [0, 1, 2, 3, 4]

    async def test_also_on_the_day_before(self, tmp_path: Path, kind: dict[str, Any]) -> None:
        more = {**kind, "path": "{date}.jsonl"}
        async with opened(tmp_path, StandingClock(NOON), **more) as target:
            await deliver(target, 1, 2)
        async with opened(tmp_path, StandingClock(NOON + DAY), **more) as target:
            await deliver(target, 2, 3)
        assert sequences(tmp_path / "2026-11-23.jsonl") == [3]

    async def test_a_retry_that_comes_after_later_ones_is_written_once(
        self, tmp_path: Path, kind: dict[str, Any]
    ) -> None:
        async with opened(tmp_path, **kind) as target:
            await deliver(target, 2, 3)
            await deliver(target, 1)
        async with opened(tmp_path, **kind) as target:
            await deliver(target, 1)
        assert sequences(tmp_path / "audit.jsonl") == [2, 3, 1]

    async def test_a_line_that_was_torn_is_written_again_and_set_aside(
        self, tmp_path: Path, kind: dict[str, Any]
    ) -> None:
        path = tmp_path / "audit.jsonl"
        async with opened(tmp_path, **kind) as target:
            await deliver(target, 1, 2)
        whole = path.read_bytes()
        path.write_bytes(whole[:-10])
        with capture_logs() as log:
            async with opened(tmp_path, **kind) as target:
                await deliver(target, 1, 2)
        assert path.read_bytes() == whole
        assert (tmp_path / "audit.jsonl.torn-1").read_bytes() == whole[whole.index(b"\n") + 1 : -10]
        assert log[0]["event"] == "file.torn_line_set_aside"

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
    @given(data=st.data())
    async def test_wherever_a_crash_cuts_the_file(
        self, tmp_path: Path, kind: dict[str, Any], data: st.DataObject
    ) -> None:
        path = tmp_path / "audit.jsonl"
        path.unlink(missing_ok=True)
        async with opened(tmp_path, **kind) as target:
            await deliver(target, *range(5))
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
        async with opened(tmp_path, **kind) as target:
            await deliver(target, *range(3))
            await deliver(target, *range(3, 7))
        assert sequences(path) == list(range(7))


async def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.targets.file_series.REMEMBERED", 3)
    async with opened(tmp_path) as target:
        await deliver(target, *range(5))
    async with opened(tmp_path) as target:
        await deliver(target, *range(5))
    assert sequences(tmp_path / "audit.jsonl") == [0, 1, 2, 3, 4, 0, 1]


@settings(max_examples=200)
@given(
    lines=st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"") + b"\n")), rest=st.binary()
)
def test_lines_are_read_backwards(
    lines: list[bytes], rest: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_tail, "_CHUNK", 7)
        folder = tmp_path_factory.mktemp("tail")
        (folder / "audit").write_bytes(b"".join(lines) + rest.replace(b"\n", b""))
        pieces = file_tail_pieces(folder)
        assert list(file_tail.newest_lines(folder, pieces)) == lines[::-1]


def file_tail_pieces(folder: Path) -> list[Any]:
    from router.targets.file_names import Names

    return Names("audit").pieces(folder)


class TestTrouble:
    @pytest.mark.parametrize("kind", KINDS)
    async def test_a_full_disk_loses_nothing_and_doubles_nothing(
        self, small_disk: Path, kind: dict[str, Any]
    ) -> None:
        path = small_disk / "audit.jsonl"
        async with opened(small_disk, **kind) as target:
            await deliver(target, 1, 2)
            outcomes = await deliver(target, *range(3, 60), size=2_000)
            assert {type(outcome) for outcome in outcomes} == {RetryLater}
            assert await deliver(target, 3, 4) == [Delivered()] * 2
        assert sequences(path) == [1, 2, 3, 4]

    async def test_a_folder_that_was_removed_is_made_again(self, tmp_path: Path) -> None:
        with capture_logs() as log:
            async with opened(tmp_path, path="a/audit.jsonl", chain=True) as target:
                await deliver(target, 1, 2)
                (tmp_path / "a/audit.jsonl").unlink()
                (tmp_path / "a").rmdir()
                assert await deliver(target, 3) == [Delivered()]
        assert (tmp_path / "a/audit.jsonl").read_bytes().startswith(b'{"n":3,')  # the chain tells it
        assert log[0]["event"] == "file.records_missing"
