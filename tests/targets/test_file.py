"""The `file` kind: its settings, its days, its failures, and what a crash leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from pydantic import ValidationError

import router
from router.errors import ConfigurationError
from router.events import Event
from router.store.sqlite import SqliteStore
from router.targets.base import Delivered, Message, RetryLater, Surroundings, Target
from router.targets.file import FileKind, FileSettings
from tests.support import record
from tests.targets.clock import StandingClock

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


def message(number: int, data: bytes = b"{}") -> Message:
    event = Event(id=f"e{number}", source="/s", type="t", data=data)
    return Message(f"{number}-audit", number, event, None, ("everything",), 1)


def opened(
    folder: Path, path: str = "audit.jsonl", clock: StandingClock | None = None
) -> AbstractAsyncContextManager[Target]:
    kind = FileKind(clock or StandingClock(NOON))
    return kind.open(FileSettings(path=path), Surroundings("audit", folder, loopback=True))


async def deliver(target: Target, *numbers: int) -> Sequence[object]:
    return await target.deliver([message(number) for number in numbers])


def names_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


def sequences(path: Path) -> list[int]:
    return [msgspec.json.decode(line)["sequence"] for line in path.read_bytes().split(b"\n")[:-1]]


@contextmanager
def no_permission(folder: Path) -> Iterator[None]:
    """Nothing in the folder may be opened; root, who may everything, becomes nobody for that time."""
    mode = folder.stat().st_mode
    folder.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(mode)


class TestSettings:
    @pytest.mark.parametrize(
        "path",
        [
            "audit.jsonl",
            "audit/{date}.jsonl",
            "{date}/a.jsonl",
            "a b/ü.jsonl",
            "a..b/..c",
            ".hidden",
            "{date}{date}",
            "{date}/{hour}.jsonl",
            "a~/~b",
            "audit/lock",
            "audit/events/x",
            "lock.jsonl",
            "deliveries.jsonl",
            "{date}/deliveries.sqlite",
        ],
    )
    def test_paths_in_the_data_folder(self, path: str) -> None:
        assert FileSettings(path=path).path == path

    @pytest.mark.parametrize(
        ("path", "what"),
        [
            ("/var/log/audit.jsonl", "is absolute"),
            ("//audit.jsonl", "is absolute"),
            ("../audit.jsonl", "has an empty step, '.' or '..'"),
            ("a/../../audit.jsonl", "has an empty step, '.' or '..'"),
            ("a/..", "has an empty step, '.' or '..'"),
            ("..", "has an empty step, '.' or '..'"),
            ("./audit.jsonl", "has an empty step, '.' or '..'"),
            ("a//b", "has an empty step, '.' or '..'"),
            ("audit/", "has an empty step, '.' or '..'"),
            ("", "has an empty step, '.' or '..'"),
            ("a\x00b", "has a control character"),
            ("a\nb", "has a control character"),
            ("{data}.jsonl", "has {data}; {date} and {hour} are filled in, in UTC"),
            ("{}.jsonl", "has {}; {date} and"),
            ("{ date }.jsonl", "has { date }; {date} and"),
            ("{date.year}", "has {date.year}; {date} and"),
            ("{{date}}.jsonl", "has a brace that does not belong to {date}"),
            ("{hour}.jsonl", "has {hour} without {date}"),
            ("{date}/{type}.jsonl", "has {type}; {date} and"),
            ("audit.jsonl.zst", "ends as packed files"),
            ("audit.checkpoints", "ends as packed files"),
            ("{date", "has a brace that does not belong to {date}"),
            ("date}", "has a brace that does not belong to {date}"),
            ("~/audit.jsonl", "begins with ~, which is not expanded"),
            ("~", "begins with ~, which is not expanded"),
            ("~router/audit.jsonl", "begins with ~, which is not expanded"),
            ("lock", "'lock' in the data folder belongs to the store"),
            ("Lock", "'Lock' in the data folder belongs to the store"),
            ("events", "'events' in the data folder belongs to the store"),
            ("events/{date}.jsonl", "'events' in the data folder belongs to the store"),
            ("deliveries.sqlite{date}", "'deliveries.sqlite{date}' in the data folder belongs to the store"),
        ],
    )
    def test_paths_that_are_refused(self, path: str, what: str) -> None:
        with pytest.raises(ValidationError) as caught:
            FileSettings(path=path)
        assert what in caught.value.errors()[0]["msg"]

    @pytest.mark.anyio
    async def test_whatever_the_store_makes_is_refused(self, tmp_path: Path) -> None:
        store = SqliteStore(tmp_path, StandingClock(NOON))
        await store.append([record()])
        made = names_in(tmp_path)
        await store.close()
        assert len(made) > 5
        for path in made:
            with pytest.raises(ValidationError, match="belongs to the store"):
                FileSettings(path=path)

    @pytest.mark.parametrize("settings", [{}, {"path": 1}, {"path": "a", "mode": 1}])
    def test_other_settings_that_are_refused(self, settings: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            FileSettings.model_validate(settings)


@pytest.mark.anyio
class TestDays:
    async def test_a_line_goes_into_the_file_of_the_day_on_which_it_is_written(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON)
        async with opened(tmp_path, "audit/{date}.jsonl", clock) as target:
            await deliver(target, 1)
            clock.time = NOON + DAY / 2 - 1
            await deliver(target, 2)
            clock.time += 1
            await deliver(target, 3, 4)
        assert sequences(tmp_path / "audit/2026-11-22.jsonl") == [1, 2]
        assert sequences(tmp_path / "audit/2026-11-23.jsonl") == [3, 4]

    async def test_the_day_is_utc_and_so_is_the_lines_time(self, tmp_path: Path) -> None:
        async with opened(tmp_path, "{date}", StandingClock(NOON + DAY / 2 - 0.5)) as target:
            await deliver(target, 1)
        line = msgspec.json.decode((tmp_path / "2026-11-22").read_bytes())
        assert line["time"] == "2026-11-22T23:59:59.500000Z"

    async def test_yesterdays_file_is_let_go(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON)
        async with opened(tmp_path, "{date}", clock) as target:
            clock.time += DAY
            await deliver(target, 1)
            async with opened(tmp_path, "2026-11-22") as other:
                assert await deliver(other, 2) == [Delivered()]

    async def test_a_new_day_whose_file_somebody_else_has(self, tmp_path: Path) -> None:
        clock = StandingClock(NOON)
        async with opened(tmp_path, "{date}", clock) as target, opened(tmp_path, "2026-11-23"):
            clock.time += DAY
            (outcome,) = await deliver(target, 1)
        assert isinstance(outcome, RetryLater)
        assert "2026-11-23 is being written by another target" in outcome.reason


@pytest.mark.anyio
class TestOpening:
    async def test_what_cannot_be_opened_is_an_error_of_the_configuration(self, tmp_path: Path) -> None:
        (tmp_path / "audit").write_bytes(b"")
        with pytest.raises(ConfigurationError) as caught:
            async with opened(tmp_path, "audit/a.jsonl"):
                pass
        assert caught.value.message == f"{tmp_path}/audit/a.jsonl cannot be opened: Not a directory"

    async def test_so_is_a_folder_that_we_may_not_enter(self, tmp_path: Path) -> None:
        (tmp_path / "audit").mkdir()
        with no_permission(tmp_path), pytest.raises(ConfigurationError, match="cannot be opened: Permission"):
            async with opened(tmp_path, "audit/a.jsonl"):
                pass

    async def test_so_are_two_targets_on_one_file(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as first:
            with pytest.raises(ConfigurationError, match="is being written by another target of this router"):
                async with opened(tmp_path):
                    pass
            assert await deliver(first, 1) == [Delivered()]
        async with opened(tmp_path) as second:
            await deliver(second, 2)
        assert sequences(tmp_path / "audit.jsonl") == [1, 2]

    async def test_so_is_a_link_out_of_the_data_folder(self, tmp_path: Path) -> None:
        (tmp_path / "audit").symlink_to("/tmp")
        with pytest.raises(ConfigurationError, match="audit is a symbolic link"):
            async with opened(tmp_path, "audit/a.jsonl"):
                pass


@pytest.mark.anyio
class TestFailures:
    async def test_a_full_disk_keeps_everything_for_later(self, small_disk: Path) -> None:
        path = small_disk / "audit.jsonl"
        big = [message(number, b'"%s"' % (b"x" * 1000)) for number in range(100)]
        async with opened(small_disk) as target:
            await deliver(target, 1, 2)
            before = path.read_bytes()
            outcomes = await target.deliver(big)
            assert outcomes == [RetryLater(f"{path} cannot be written: No space left on device")] * 100
            assert path.read_bytes() == before
            assert await deliver(target, 3) == [Delivered()]
        assert sequences(path) == [1, 2, 3]

    async def test_permission_lost_and_found(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        async with opened(folder) as target:
            await deliver(target, 1)
            with no_permission(folder):
                reason = f"{folder}/audit.jsonl cannot be written: Permission denied"
                assert await deliver(target, 2, 3) == [RetryLater(reason)] * 2
            assert await deliver(target, 4) == [Delivered()]
        assert sequences(folder / "audit.jsonl") == [1, 4]

    async def test_a_removed_folder_is_made_again(self, tmp_path: Path) -> None:
        async with opened(tmp_path, "audit/a.jsonl") as target:
            await deliver(target, 1)
            (tmp_path / "audit/a.jsonl").unlink()
            (tmp_path / "audit").rmdir()
            assert await deliver(target, 2) == [Delivered()]
        assert sequences(tmp_path / "audit/a.jsonl") == [2]

    async def test_a_file_that_somebody_moved_away_is_begun_anew(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as target:
            await deliver(target, 1)
            (tmp_path / "audit.jsonl").rename(tmp_path / "old.jsonl")
            await deliver(target, 2)
        assert sequences(tmp_path / "old.jsonl") == [1]
        assert sequences(tmp_path / "audit.jsonl") == [2]

    async def test_calls_at_once_do_not_mix_their_lines(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as target, anyio.create_task_group() as tasks:
            for first in range(0, 100, 10):
                tasks.start_soon(deliver, target, *range(first, first + 10))
        written = sequences(tmp_path / "audit.jsonl")
        groups = [written[start : start + 10] for start in range(0, 100, 10)]
        assert sorted(groups) == [list(range(first, first + 10)) for first in range(0, 100, 10)]


WRITER = """
import sys
from pathlib import Path
import anyio
from router.events import Event
from router.targets.base import Delivered, Message, Surroundings
from router.targets.file import FileKind, FileSettings

async def main(folder, number):
    settings = FileSettings(path="audit.jsonl")
    async with FileKind().open(settings, Surroundings("audit", folder, loopback=True)) as target:
        while True:
            numbers = range(number, number + 50)
            events = [Event(id=str(n), source="/s", type="t", data=b'"%s"' % (b"x" * 2000)) for n in numbers]
            messages = [Message(f"{n}-a", n, event, None, (), 1) for n, event in zip(numbers, events)]
            outcomes = await target.deliver(messages)
            assert outcomes == [Delivered()] * 50, outcomes
            number += 50
            print(number, flush=True)

anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
"""


def write_until_killed(folder: Path, first: int, groups: int) -> int:
    """Let another process write groups of 50 from `first` on, kill it after some; what was acknowledged."""
    home = Path(router.__file__).parents[1]
    command = [sys.executable, "-c", WRITER, str(folder), str(first)]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert all(writer.stdout.readline() for _ in range(groups)), "the writer ended"
        writer.send_signal(signal.SIGKILL)
        return int(([str(first).encode(), *writer.stdout.read().split()])[-1])


def test_what_was_acknowledged_survives_a_sigkill(tmp_path: Path) -> None:
    """Again and again on one file: every acknowledged line is there, whole, and in order."""
    acknowledged: list[int] = []
    for groups in (1, 2, 3, 5, 8):
        first = 1000 * len(acknowledged)
        last = max(write_until_killed(tmp_path, first, groups), first + 50 * groups)
        acknowledged.extend(range(first, last))
    found = sequences(tmp_path / "audit.jsonl")
    assert set(acknowledged) <= set(found)
    assert found == sorted(set(found))
