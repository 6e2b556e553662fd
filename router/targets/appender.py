"""A file in the data folder that whole groups of lines are appended to, each group durable before the next.

What holds after every call, failed ones included: the file ends with a line break, and all that was
acknowledged is on disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Final

import structlog

from router.errors import ConfigurationError
from router.targets import jail

_CHUNK: Final = 64 * 1024
_FILE: Final = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_LOCKS: Final = Path("/proc/locks")

_log = structlog.get_logger(__name__)


class FileInUseError(ConfigurationError):
    """Another target writes this file."""


class NotOurFileError(ConfigurationError):
    """There is something at this path that is no JSON lines file."""


class Appender:
    """One open file, locked against every other writer.

    Args:
        folder: the jail; it must exist.
        path: below it, of names only (no `..`). Missing folders are made. A symbolic link anywhere
            on the way is refused.
        make: whether to make the file where there is none.

    Raises:
        FileInUseError: another target or router writes it; says who, where the system tells.
        JailError: there is a symbolic link on the way.
        NotOurFileError: what is there is no regular file, or holds something else than JSON lines.
        OSError: it cannot be opened.
    """

    def __init__(self, folder: Path, path: PurePosixPath, *, make: bool = True) -> None:
        self._path = folder / path
        self._name = path.name
        self._parent = jail.enter(folder, path.parent)
        self._file = -1
        try:
            self._file = jail.open_in(self._parent, self._name, _FILE | (os.O_CREAT if make else 0))
            self._lock()
            self._check()
            self._set_torn_line_aside()
            # What an earlier life wrote and did not get to acknowledge may be on no disk yet.
            os.fsync(self._file)
            # The file's own name must survive a crash, too.
            os.fsync(self._parent)
        except BaseException:
            self.close()
            raise

    def append(self, lines: bytes) -> None:
        """Write and fsync; all or nothing.

        Args:
            lines: whole lines; the last one ends with a line break, too.

        Raises:
            OSError: nothing of it is in the file. The appender is of no use any more: close it.
        """
        size = self.size
        try:
            _write(self._file, lines)
            os.fsync(self._file)
        except BaseException:
            # Where this fails as well, the next one to open the file sets the torn line aside.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)
                os.fsync(self._file)
            raise

    @property
    def size(self) -> int:
        """How long the file is, in bytes."""
        return os.fstat(self._file).st_size

    @property
    def file(self) -> int:
        """Its descriptor, to read from."""
        return self._file

    def rename(self, name: str) -> None:
        """Call the file something else, in its folder; it is not current any more.

        Raises:
            OSError: it cannot be; it is called as before.
        """
        os.rename(self._name, name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        os.fsync(self._parent)

    def is_current(self) -> bool:
        """Whether the path still leads to this file, and nobody moved or removed it."""
        try:
            return os.path.samestat(self._path.lstat(), os.fstat(self._file))
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the file and its lock."""
        for descriptor in (self._file, self._parent):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._parent = -1

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = _holder(os.fstat(self._file))
            raise FileInUseError(
                f"{self._path} is being written by {who}; give every file target a file of its own"
            ) from None

    def _check(self) -> None:
        """Refuse what is no file of ours before anything is cut from it."""
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise NotOurFileError(f"{self._path} is no regular file")
        # After a power failure a first line may be there in length only: as zeros.
        if os.pread(self._file, 1, 0) not in (b"", b"{", b"\0"):
            raise NotOurFileError(f"{self._path} holds something else than JSON lines; choose another path")

    def _set_torn_line_aside(self) -> None:
        size = os.fstat(self._file).st_size
        end = _end_of_last_line(self._file, size)
        if end == size:
            return
        torn = os.pread(self._file, size - end, end)
        name = self._keep(torn)
        os.fsync(self._parent)
        os.ftruncate(self._file, end)
        os.fsync(self._file)
        _log.warning("file.torn_line_set_aside", file=str(self._path), bytes=size - end, kept_as=name)

    def _keep(self, torn: bytes) -> str:
        """Write the torn line beside the file, under the first free number."""
        number = 1
        while True:
            name = f"{self._name}.torn-{number}"
            try:
                kept = jail.open_in(self._parent, name, _NEW_FILE)
            except FileExistsError:
                number += 1
                continue
            try:
                _write(kept, torn)
                os.fsync(kept)
            finally:
                os.close(kept)
            return name


def _write(file: int, content: bytes) -> None:
    """Write everything: one call may take only a part, on a nearly full disk for instance."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _end_of_last_line(file: int, size: int) -> int:
    """The offset behind the last line break; 0 where there is none."""
    end = size
    while end > 0:
        start = max(0, end - _CHUNK)
        at = os.pread(file, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def _holder(file: os.stat_result) -> str:
    """Who holds a lock on a file: Linux tells in /proc/locks, other systems do not."""
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    try:
        locks = [line.split() for line in _LOCKS.read_text(encoding="ascii").splitlines()]
    except OSError:
        locks = []
    # 1: FLOCK  ADVISORY  WRITE 4711 fe:01:131 0 EOF
    for fields in locks:
        if fields[1] == "FLOCK" and fields[5] == place:
            return (
                "another target of this router" if int(fields[4]) == os.getpid() else f"process {fields[4]}"
            )
    return "another process"
