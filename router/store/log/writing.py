"""Appends groups to a log: each is on disk whole when it is committed, or it is not there."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from router.store.advice import DamagedError
from router.store.layout import OWNER_ONLY, sync
from router.store.log.checking import places, tail_of
from router.store.log.format import (
    HEAD,
    Columns,
    decode_head,
    encode_end,
    encode_group,
    encode_header,
    new_header,
)
from router.store.log.walking import Group, LogFile

STEP = 1 << 20
"""How many bytes are set aside at a time: to sync a file that need not grow takes half as long."""

TRIAL = 8_192
"""How many bytes are written to find out whether writing works: more than a page may have left."""

REMAINS = 1 << 20
"""How many bytes behind the last whole group are looked at for what a crash has left of another."""

_UNABLE = (errno.EOPNOTSUPP, errno.EINVAL)
"""What a file system says that cannot set space aside."""

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has neither this
_allocate = getattr(os, "posix_fallocate", None)  # nor that

log = structlog.stdlib.get_logger(__name__)


def create(path: Path, first: int, groups: Iterable[Columns] | None = None) -> None:
    """Make a log: under its name there is never a part of one.

    Args:
        path: where it is to be.
        first: the lowest sequence it may have.
        groups: all that it will have; None for one that is to grow.

    Raises:
        OSError: the disk refuses; nothing is there.
    """
    half = path.with_name(f"{path.name}.half")
    half.unlink(missing_ok=True)
    header = new_header(first)
    last, newest = first - 1, -math.inf
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
            file.write(encode_header(header))
            for columns in groups or ():
                file.write(encode_group(header.marker, columns))
                last, newest = columns.sequences[-1], max(newest, *columns.received)
            if groups is not None:
                file.write(encode_end(header.marker, last, newest))
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        sync(path.parent)
    except BaseException:
        for one in (half, path):
            with contextlib.suppress(OSError):
                one.unlink(missing_ok=True)
        raise


class LogWriter:
    """A log that grows. One thread at a time.

    What a crash has left of a commit is cut off when it is opened: nobody was told of it. A last group that
    is there whole is put on disk again: who has written it may have ended before that was done, or was told
    that it cannot be, and then only the system's memory has it.

    Args:
        path: the log's; it is there.
        most: beyond so many bytes no space is set aside.

    Attributes:
        path: where it is.
        index: what is committed.
        began: when the first event was received, seconds since the epoch; None where there is none.
        tainted: whether the disk has failed to sync it: rather go on elsewhere.

    Raises:
        OSError: the disk refuses.
        router.store.advice.DamagedError: it is damaged, and not only at its end.
    """

    def __init__(self, path: Path, most: int) -> None:
        with contextlib.closing(LogFile(path, lenient=True)) as file:
            tail = tail_of(file)
            remains = file.read(tail.known.end, REMAINS).rstrip(b"\0") or file.unread
            front = None if tail.first is None else file.read_front(tail.first)
            self._marker = file.header.marker
        damages = tail.damages or ((tail.first,) if tail.first is not None and front is None else ())
        if damages:
            raise DamagedError(f"{path.name} is damaged ({places(damages)})")
        if remains:
            log.warning("segment.cut", file=str(path), at=tail.known.end)
        self.path = path
        self.index = tail.known
        self._is_closed = tail.is_closed
        self.began = None if front is None else front.arrivals[0].received
        self.tainted = False
        self._most = most
        self._file = path.open("r+b", buffering=0)
        self._reserved = self._size()
        self._cut_needed = self._reserved > self.end or not self._is_closed
        try:
            if tail.final is not None and not self._is_closed:
                _write_again(self._file.fileno(), tail.final)
            self.cut()
        except BaseException:
            self._file.close()
            raise

    @property
    def end(self) -> int:
        """Up to where it is committed."""
        return self.index.end

    def append(self, columns: Columns) -> None:
        """Commit at least one event, and what came with it.

        Raises:
            OSError: nothing of it is there.
        """
        self._add(encode_group(self._marker, columns))
        if self.began is None:
            self.began = columns.received[0]
        self._is_closed = False

    def probe(self) -> None:
        """Find out whether an append would work; nothing stays of it.

        Raises:
            OSError: it would not.
        """
        self._put(bytes(TRIAL))

    def cut(self) -> None:
        """Take back what is not committed, so that it never comes again.

        Raises:
            OSError: the disk refuses.
        """
        if self._cut_needed:
            os.ftruncate(self._file.fileno(), self.end)
            self._synced(os.fsync)
            self._reserved = self.end
            self._cut_needed = False

    def seal(self) -> None:
        """Say that nothing is missing, and give back what was set aside.

        Raises:
            OSError: the disk refuses.
        """
        self.cut()
        if self.began is not None and not self._is_closed:
            self._add(encode_end(self._marker, self.index.last, self.index.newest))
            self._is_closed = True
        self._cut_needed = self._size() > self.end  # a disk that is full may have set aside more than it said
        self.cut()

    def close(self) -> None:
        """Nothing is appended any more."""
        if not self._file.closed:
            with contextlib.suppress(OSError):
                self.seal()
            self._file.close()

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _add(self, data: bytes) -> None:
        """Commit a group."""
        head = decode_head(data[:HEAD], self._marker)
        assert head is not None
        self._put(data)
        self.index.add(Group(self.end, head))

    def _put(self, data: bytes) -> None:
        """Write behind the end, and sync."""
        self.cut()
        handle = self._file.fileno()
        try:
            self._reserve(handle, self.end + len(data))
            _write(handle, data, self.end)
        except BaseException:
            self._take_back()
            raise
        try:
            self._synced(_sync)
        except BaseException:
            self._take_back()
            raise

    def _synced(self, sync_file: Callable[[int], None]) -> None:
        try:
            sync_file(self._file.fileno())
        except BaseException:
            # What the disk has of it, nobody knows, and to sync again would not tell: see fsync(2).
            self.tainted = True
            raise

    def _take_back(self) -> None:
        self._cut_needed = True
        with contextlib.suppress(OSError):
            self.cut()

    def _reserve(self, handle: int, end: int) -> None:
        """Have space up to a place, and some more where there is some."""
        if end <= self._reserved or _allocate is None:
            return
        generous = max(end, min(self.end + STEP, self._most))
        try:
            _allocate(handle, self._reserved, generous - self._reserved)
        except OSError as error:
            if error.errno in _UNABLE:
                generous = sys.maxsize
            elif generous == end:
                raise
            else:
                _allocate(handle, self._reserved, end - self._reserved)
                generous = end
        self._reserved = generous


def _write_again(handle: int, group: Group) -> None:
    _write(handle, os.pread(handle, group.head.size, group.at), group.at)


def _write(handle: int, data: bytes, at: int) -> None:
    written = os.pwrite(handle, data, at)
    while written < len(data):  # a disk that is nearly full takes what it can
        written += os.pwrite(handle, memoryview(data)[written:], at + written)
