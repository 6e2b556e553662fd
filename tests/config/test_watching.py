"""A change of a deployment's files is noticed, however it is made; nothing else is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from router.config.watching import Files, watch

pytestmark = pytest.mark.anyio

RULES = "rules: []\n"


class Notices:
    """Counts them."""

    def __init__(self) -> None:
        self.count = 0
        self._came = anyio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._came.set()
        self._came = anyio.Event()

    async def reach(self, count: int) -> None:
        """Wait until there were so many."""
        with anyio.fail_after(30):
            while self.count < count:
                await self._came.wait()


@asynccontextmanager
async def watching(place: Path, begun: int = 2) -> AsyncIterator[Notices]:
    """Watch, once the watching has begun: of a folder's own files, and of what is below its parts."""
    notices = Notices()
    async with anyio.create_task_group() as group:
        group.start_soon(watch, [place], notices)
        await notices.reach(begun)
        yield notices
        group.cancel_scope.cancel()


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    (tmp_path / "rules" / "deep").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "rules" / "deep" / "a.yml").write_text(RULES)
    (tmp_path / "router.yml").write_text("settings: {}\n")
    return tmp_path


@pytest.mark.parametrize("name", ["rules/deep/a.yml", "rules/new.yaml", "router.yml"])
async def test_a_file_that_is_written_is_noticed(deployment: Path, name: str) -> None:
    async with watching(deployment) as notices:
        (deployment / name).write_text(RULES)
        await notices.reach(3)


async def test_a_file_that_is_put_in_anothers_place_is_noticed(deployment: Path) -> None:
    async with watching(deployment / "router.yml") as notices:
        (deployment / "router.yml~").write_text("settings: {}\n")
        (deployment / "router.yml~").replace(deployment / "router.yml")
        await notices.reach(3)


async def test_a_file_that_goes_is_noticed(deployment: Path) -> None:
    async with watching(deployment) as notices:
        (deployment / "rules" / "deep" / "a.yml").unlink()
        await notices.reach(3)


async def test_a_folder_that_comes_later_is_watched(deployment: Path) -> None:
    (deployment / "rules" / "deep" / "a.yml").unlink()
    (deployment / "rules" / "deep").rmdir()
    (deployment / "rules").rmdir()
    async with watching(deployment, begun=1) as notices:
        (deployment / "targets").mkdir()
        await notices.reach(4)  # it came, and both watches began anew
        (deployment / "targets" / "t.yml").write_text("targets: {}\n")
        await notices.reach(5)


async def test_an_end_does_not_wait_until_the_threads_have_something_to_say(
    deployment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.config.watching.TIMEOUT", 120_000)
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        notices = Notices()
        group.start_soon(watch, [deployment], notices)
        while not notices.count:
            (deployment / "router.yml").write_text("settings: {}\n")
            with anyio.move_on_after(1):
                await notices.reach(1)
        group.cancel_scope.cancel()
    assert anyio.current_time() - began < 60


async def test_what_the_store_writes_is_not_noticed(deployment: Path) -> None:
    async with watching(deployment) as notices:
        for name in ("data/x.yml", "data/events.sqlite", "rules/notes.txt", "notes.md"):
            (deployment / name).write_text("x")
        (deployment / "rules" / "deep" / "a.yml").unlink()
        await notices.reach(3)
        (deployment / "router.yml").unlink()
        await notices.reach(4)
        assert notices.count == 4


async def test_files_tell_whether_they_have_changed(deployment: Path) -> None:
    files = Files([deployment])
    assert not files.have_changed()
    (deployment / "rules" / "notes.txt").write_text("x")
    assert not files.have_changed()
    for change in (
        lambda: (deployment / "rules" / "new.yml").write_text(RULES),
        lambda: (deployment / "rules" / "new.yml").write_text(RULES + "# more"),
        lambda: (deployment / "rules" / "new.yml").rename(deployment / "rules" / "newer.yml"),
        (deployment / "rules" / "newer.yml").unlink,
    ):
        change()
        assert files.have_changed()
        assert not files.have_changed()
