"""Packs a target's finished files, and removes those that were kept long enough."""

from __future__ import annotations

import contextlib
import errno
import os
from itertools import zip_longest
from pathlib import Path, PurePosixPath

import structlog

from router.audit.streams import SUFFIXES, DamagedError, Packing, lines, pack
from router.errors import ConfigurationError
from router.targets import jail
from router.targets.file_names import BESIDE, PART, Names

_log = structlog.get_logger(__name__)


def tidy(
    folder: Path,
    names: Names,
    current: PurePosixPath,
    packing: Packing | None,
    keep: float | None,
    now: float,
) -> None:
    """Look at all files but the one that is written. What cannot be done is said, and tried the next time.

    Args:
        folder: the data folder.
        names: the target's.
        current: the file that is written.
        packing: what with; None for not at all.
        keep: seconds after its last line that a file is kept; None for ever.
        now: seconds since the epoch.
    """
    beside = [path for when, path in names.beside(folder) if names.path(when) != current]
    pieces = [piece for piece in names.pieces(folder) if piece.path != current]
    for path in (*(piece.path for piece in pieces), *beside):
        try:
            if keep is not None and (folder / path).lstat().st_mtime < now - keep:
                _remove(folder, path)
                _log.info("file.removed", file=str(folder / path), kept=keep)
            elif packing is not None and path.suffix not in {*SUFFIXES.values(), BESIDE}:
                _pack(folder, path, packing)
        except (OSError, ConfigurationError) as error:
            _log.warning("file.untidied", file=str(folder / path), error=str(error))


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
        os.fdopen(jail.open_in(parent, name, os.O_RDONLY), "rb") as one,
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
            os.fdopen(jail.open_in(parent, path.name, os.O_RDONLY), "rb") as source,
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
