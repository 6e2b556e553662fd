"""Tells when a deployment's files have changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

import anyio
from watchfiles import Change, awatch

from router.config.files import PARTS, SUFFIXES, files_of
from router.config.report import Report

QUIET = 200
"""Milliseconds without a change after which a burst of them counts as one: editors write in several steps."""

TIMEOUT = 500
"""Milliseconds after which a thread that has seen nothing says that it watches."""


class Files:
    """A deployment's files. Make it before they are read: then no change is missed.

    Args:
        paths: folders and files of a deployment.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._seen = self._look()
        self._secrets: frozenset[_Told] = frozenset()

    def have_changed(self) -> bool:
        """Whether they are others than when it was made, or asked last."""
        before, self._seen = self._seen, self._look()
        return before != self._seen

    def follow(self, secrets: Iterable[Path]) -> None:
        """Look at these, too, as they are now: they were read together with the others."""
        self._secrets = _told(secrets)

    def secrets_have_changed(self) -> bool:
        """Whether those are others than when they were read."""
        return self._secrets != _told(file for file, _ in self._secrets)

    def _look(self) -> frozenset[_Told]:
        return _told(files_of(self.paths, Report()))


_Told = tuple[Path, tuple[int | None, ...]]


def _told(files: Iterable[Path]) -> frozenset[_Told]:
    """What the system says of files."""
    return frozenset((file, _stamp(file)) for file in files)


def _stamp(file: Path) -> tuple[int | None, ...]:
    try:
        told = file.stat()
    except OSError as error:
        return (error.errno,)
    return told.st_ino, told.st_size, told.st_mtime_ns


Wanted = Callable[[Change, str], bool]


async def watch(paths: Sequence[Path], notice: Callable[[], None]) -> None:
    """Call `notice` once the watching has begun, and each time files have changed, for ever.

    Of a folder, its own files and all below `rules/` and `targets/` are watched: `data/`, which may be beside
    them, changes all the time.

    Args:
        paths: folders and files of a deployment.
        notice: called on the event loop; it says nothing of what changed.
    """
    while True:
        wide, deep = _places([path.resolve() for path in paths])
        unwanted = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(_tell_threads, unwanted)
            group.start_soon(_follow, deep, notice, unwanted)
            async for found in _changes(wide, _matters, notice, unwanted, recursive=False):
                if any(Path(place).name in PARTS for _, place in found):
                    group.cancel_scope.cancel()  # a part came or went: other folders are to be watched


async def _tell_threads(unwanted: anyio.Event) -> None:
    """Set the event when this is cancelled: a thread that watches is not, but looks at it all the time."""
    try:
        await anyio.sleep_forever()
    finally:
        unwanted.set()


async def _follow(folders: Sequence[Path], notice: Callable[[], None], unwanted: anyio.Event) -> None:
    if folders:
        async for _ in _changes(folders, _is_configuration, notice, unwanted, recursive=True):
            pass


async def _changes(
    folders: Sequence[Path],
    wanted: Wanted,
    notice: Callable[[], None],
    unwanted: anyio.Event,
    *,
    recursive: bool,
) -> AsyncIterator[set[tuple[Change, str]]]:
    """Changes below folders; the first may be none: what changed before the watching began is not known."""
    begun = False
    async for found in awatch(
        *folders,
        watch_filter=wanted,
        stop_event=unwanted,
        debounce=QUIET,
        rust_timeout=TIMEOUT,
        yield_on_timeout=True,
        recursive=recursive,
    ):
        if found or not begun:
            begun = True
            notice()
            yield found


def _places(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The folders whose own files are watched, and those that are watched with all that is below them.

    A file's whole folder is watched: an editor that saves it puts another in its place.
    """
    wide = {path if path.is_dir() else path.parent for path in paths}
    parts = {path / part for path in wide for part in PARTS} | {path for path in wide if path.name in PARTS}
    return sorted(wide), sorted(part for part in parts if part.is_dir())


def _is_configuration(_change: Change, place: str) -> bool:
    return Path(place).suffix in SUFFIXES


def _matters(change: Change, place: str) -> bool:
    return _is_configuration(change, place) or Path(place).name in PARTS
