"""Packs a target's finished files, and removes those that were kept long enough."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import structlog

from router.audit.streams import SUFFIXES, DamagedError, Packing, lines, pack
from router.errors import ConfigurationError
from router.targets import jail
from router.targets.file_names import BESIDE, PART, Names, Piece
from router.targets.file_tail import newest_lines

_log = structlog.get_logger(__name__)


def tidy(
    folder: Path,
    names: Names,
    current: PurePosixPath,
    packing: Packing | None,
    keep: float | None,
    now: float,
) -> None:
    """Look at all files that are finished. What cannot be done is said, and tried the next time.

    Somebody may begin a file meanwhile. So the newest one is left alone, whatever `current` was, and so is
    any that is open: writers lock theirs, and so does this one what it works on.

    The newest file that holds a record is never removed: the chain goes on from there, and what comes again
    after a crash is looked up in it.

    Args:
        folder: the data folder.
        names: the target's.
        current: the file that was written when this began.
        packing: what with; None for not at all.
        keep: seconds after its last line that a file is kept; None for ever.
        now: seconds since the epoch.
    """
    pieces = names.pieces(folder)
    finished = [piece.path for piece in pieces[:-1] if piece.path != current]
    last = None if keep is None else _last_with_records(folder, pieces)
    needed = {current} if last is None else {current, last.path, names.path(last.when)}
    beside = [path for when, path in names.beside(folder)[:-1] if names.path(when) not in needed]
    for path in (*finished, *beside):
        try:
            is_old = keep is not None and (folder / path).lstat().st_mtime < now - keep
            if is_old and path not in needed:
                _remove(folder, path)
                _log.info("file.removed", file=str(folder / path), kept=keep)
            elif packing is not None and path.suffix not in {*SUFFIXES.values(), BESIDE}:
                _pack(folder, path, packing)
        except BlockingIOError:
            continue  # it is open: not finished yet
        except (OSError, ConfigurationError) as error:
            _log.warning("file.untidied", file=str(folder / path), error=str(error))


def _last_with_records(folder: Path, pieces: list[Piece]) -> Piece | None:
    """The newest of these files in which anything is; one that cannot be read may hold something."""
    for piece in reversed(pieces):
        try:
            if next(newest_lines(folder, [piece]), None) is not None:
                return piece
        except (OSError, DamagedError, ConfigurationError):
            return piece
    return None


def _closed(parent: int, name: str) -> BinaryIO:
    """A finished file, open for reading, and locked against those who would write it.

    Raises:
        BlockingIOError: somebody has it open.
        OSError: it cannot be opened.
    """
    file = os.fdopen(jail.open_in(parent, name, os.O_RDONLY), "rb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        file.close()
        raise
    return file


def _exists(parent: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _remove_twin(parent: int, name: str, packed: str) -> None:
    """Remove a file that was packed already: a crash came before that.

    Raises:
        OSError: what is packed is another one. Both stay.
    """
    with (
        _closed(parent, name) as one,
        os.fdopen(jail.open_in(parent, packed, os.O_RDONLY), "rb") as other,
    ):
        try:
            is_same = all(line == twin for line, twin in zip_longest(one, lines(packed, other)))
        except DamagedError:
            is_same = False
        if not is_same:
            raise FileExistsError(
                errno.EEXIST, f"{packed} is there, and holds something else; rename one of them"
            )
        os.unlink(name, dir_fd=parent)


def _remove(folder: Path, path: PurePosixPath) -> None:
    parent = jail.enter(folder, path.parent)
    try:
        with _closed(parent, path.name):
            os.unlink(path.name, dir_fd=parent)
        os.fsync(parent)
    finally:
        os.close(parent)


def _pack(folder: Path, path: PurePosixPath, packing: Packing) -> None:
    """Put a packed file in a file's place. A crash leaves the one, the other, or both, each of them whole."""
    parent = jail.enter(folder, path.parent)
    packed = path.name + SUFFIXES[packing]
    part = packed + PART
    try:
        if _exists(parent, packed):
            _remove_twin(parent, path.name, packed)
            return
        with (
            _closed(parent, path.name) as source,
            os.fdopen(jail.open_in(parent, part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as into,
        ):
            pack(packing, source, into)
            into.flush()
            found = os.fstat(source.fileno())
            os.utime(into.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
            os.fsync(into.fileno())
            os.rename(part, packed, src_dir_fd=parent, dst_dir_fd=parent)
            os.fsync(parent)
            os.unlink(path.name, dir_fd=parent)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part, dir_fd=parent)
        raise
    finally:
        os.close(parent)
