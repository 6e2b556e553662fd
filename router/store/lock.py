"""One writer: a data folder belongs to the process that holds its lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from router.errors import ConfigurationError


class FolderInUseError(ConfigurationError):
    """Another process holds this data folder.

    Attributes:
        holder: its process id; None where it could not be written down.
    """

    def __init__(self, folder: Path, holder: str) -> None:
        self.holder = int(holder) if holder.isdecimal() else None
        named = holder if self.holder is not None else "unknown"
        super().__init__(
            f"{folder} is in use by process {named}; stop that router, or give this one another folder"
        )


class FolderLock:
    """An exclusive lock on a folder, released when the process ends, however it ends.

    Raises:
        FolderInUseError: another process holds it; the message names that process.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        self._file = path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().decode("ascii", "replace").strip()
            self._file.close()
            raise FolderInUseError(folder, holder) from None
        with contextlib.suppress(OSError):  # it only tells others who holds it: a full disk may lack it
            self._file.truncate(0)
            self._file.write(b"%d\n" % os.getpid())

    def release(self) -> None:
        """Let others have the folder. The file stays: removing it would let two processes lock two files."""
        self._file.close()
