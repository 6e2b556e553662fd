"""A change of a deployment's files is noticed, however it is made; nothing else is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from router.config.watching import watch

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

    async def another(self, make: Callable[[], object]) -> None:
        """Do something again and again until it is noticed: nobody tells when the watching has begun."""
        seen = self.count
        with anyio.fail_after(30):
            while self.count == seen:
                make()
                with anyio.move_on_after(0.5):
                    await self._came.wait()

    async def quiet(self) -> None:
        """Wait until what was made before is noticed."""
        seen = -1
        while seen != self.count:
            seen = self.count
            with anyio.move_on_after(1):
                await self._came.wait()


@asynccontextmanager
async def watching(*paths: Path) -> AsyncIterator[Notices]:
    notices = Notices()
    async with anyio.create_task_group() as group:
        group.start_soon(watch, paths, notices)
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
        await notices.another(lambda: (deployment / name).write_text(RULES))


async def test_a_file_that_is_put_in_anothers_place_is_noticed(deployment: Path) -> None:
    async with watching(deployment / "router.yml") as notices:

        def save() -> None:
            (deployment / "router.yml~").write_text("settings: {}\n")
            (deployment / "router.yml~").replace(deployment / "router.yml")

        await notices.another(save)


async def test_a_file_that_goes_is_noticed(deployment: Path) -> None:
    async with watching(deployment) as notices:
        await notices.another((deployment / "router.yml").touch)
        await notices.quiet()
        seen = notices.count
        (deployment / "rules" / "deep" / "a.yml").unlink()
        await notices.quiet()
        assert notices.count > seen


async def test_a_folder_that_comes_later_is_watched(deployment: Path) -> None:
    async with watching(deployment) as notices:
        await notices.another((deployment / "router.yml").touch)
        (deployment / "targets").mkdir()
        await notices.quiet()
        seen = notices.count
        (deployment / "targets" / "t.yml").write_text("targets: {}\n")
        await notices.quiet()
        assert notices.count > seen


async def test_what_the_store_writes_is_not_noticed(deployment: Path) -> None:
    async with watching(deployment) as notices:
        await notices.another((deployment / "router.yml").touch)
        await notices.quiet()
        seen = notices.count
        for name in ("data/x.yml", "data/events.sqlite", "rules/notes.txt", "notes.md"):
            (deployment / name).write_text("x")
        await notices.quiet()
        assert notices.count == seen
