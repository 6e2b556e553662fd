"""From group to group of a log, and over what cannot be read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from router.errors import ConfigurationError
from router.store.advice import DamagedError
from router.store.fingerprints import Fingerprint
from router.store.log.format import (
    BEGIN,
    HEAD,
    MARKER,
    PAGE,
    VERSION,
    Front,
    Head,
    Header,
    Piece,
    decode_fingerprints,
    decode_front,
    decode_head,
    decode_header,
)

SEARCH = 1 << 20
"""How many bytes are searched at a time for the next group behind a damage."""

WINDOW = 1 << 16
"""How many bytes are read at once, at most, where heads stand close together."""


class Group(NamedTuple):
    """A group and its place in the file."""

    at: int
    head: Head

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.at + self.head.size


class Damage(NamedTuple):
    """A stretch that cannot be read.

    Attributes:
        at, end: its first byte's place, and that of the first one after it.
        after: the last sequence before it.
        before: the first one after it; None where nothing follows.
    """

    at: int
    end: int
    after: int
    before: int | None


class LogFile:
    """A log that is there, to be read by any thread.

    Args:
        path: where it is.
        lenient: whether what the disk cannot give is zeros, which no checksum fits, and no error.

    Attributes:
        header: what it begins with.
        unread: the places of the pages that the disk could not give.

    Raises:
        OSError: the disk refuses.
        DamagedError: it has no header.
        ConfigurationError: it was made by another version of this router.
    """

    def __init__(self, path: Path, *, lenient: bool = False) -> None:
        self.path = path
        self.unread: set[int] = set()
        self._lenient = True  # one of the header's pages is enough
        self._file = path.open("rb", buffering=0)
        try:
            self.header = self._header()
            self._lenient = lenient
        except BaseException:
            self._file.close()
            raise

    def _header(self) -> Header:
        header = decode_header(self.read(0, BEGIN))
        if header is None:
            raise DamagedError(f"{self.path.name} is damaged (it has no header)")
        if header.version != VERSION:
            raise ConfigurationError(
                f"{self.path} was made by another version of this router (layout {header.version}, this one "
                f"knows {VERSION}); run that version, or move the folder away and begin anew"
            )
        return header

    def close(self) -> None:
        """Nobody reads any more."""
        self._file.close()

    def size(self) -> int:
        """How many bytes there are, with what was set aside."""
        return os.fstat(self._file.fileno()).st_size

    def read(self, at: int, size: int) -> bytes:
        """So many bytes from a place on; less at the end."""
        try:
            return os.pread(self._file.fileno(), size, at)
        except OSError as error:
            if not self._lenient or error.errno != errno.EIO:
                raise
        ends = [*range(at // PAGE * PAGE + PAGE, at + size, PAGE), at + size]
        starts = [at, *ends[:-1]]
        return b"".join(self._page(start, end - start) for start, end in zip(starts, ends, strict=True))

    def _page(self, at: int, size: int) -> bytes:
        """So many bytes of one page, or zeros."""
        try:
            return os.pread(self._file.fileno(), size, at)
        except OSError:
            self.unread.add(at // PAGE * PAGE)
            return bytes(size)

    def read_piece(self, piece: Piece) -> bytes | None:
        """A record or a request; None if it is not what was written."""
        data = self.read(piece.at, piece.size)
        return data if len(data) == piece.size and crc32(data) == piece.crc else None

    def read_front(self, group: Group) -> Front | None:
        """What a group says of its events; None if it is not what was written."""
        return decode_front(self.read(group.at + HEAD, group.head.front), group.head, group.at)

    def read_fingerprints(self, group: Group) -> list[Fingerprint] | None:
        """Sequence, time and fingerprint of its events; None as with `read_front`."""
        return decode_fingerprints(self.read(group.at + HEAD, group.head.front), group.head)

    def reach(self, at: int) -> int:
        """Up to where a group goes that begins here, whether or not it is there; or where its head would."""
        head = self.head(at)
        return at + (HEAD if head is None else head.size)

    def head(self, at: int) -> Head | None:
        """What a group says of itself that begins here; None if there is none."""
        return decode_head(self.read(at, HEAD), self.header.marker)

    def walk(self, at: int, end: int, last: int) -> Iterator[Group | Damage]:
        """The groups from a place on, in order, and what lies between them and cannot be read.

        Args:
            at: where a group begins.
            end: where to stop.
            last: no event from there on has a sequence that is not above this one.
        """
        window = _Window(self)
        while at < end:
            group = self._group(at, end, last, window.head(at))
            if group is None:
                group = self._next(at + 1, end, last)
                until = end if group is None else group.at
                yield Damage(at, until, last, None if group is None else group.head.first)
                at = until
            if group is not None:
                yield group
                at, last = group.end, group.head.last

    def _group(self, at: int, end: int, last: int, head: Head | None) -> Group | None:
        if head is None or head.first <= last or at + head.size > end:
            return None
        return Group(at, head)

    def _next(self, at: int, end: int, last: int) -> Group | None:
        """The first group that begins at a place or behind it."""
        while at < end:
            data = self.read(at, min(SEARCH + MARKER, end - at))
            found = data.find(self.header.marker)
            while found >= 0:
                if (group := self._group(at + found, end, last, self.head(at + found))) is not None:
                    return group
                found = data.find(self.header.marker, found + 1)
            at += SEARCH
        return None


class _Window:
    """Reads heads one behind the other, ever more at once while they stand close together."""

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._begin = self._last = self._size = 0
        self._data = b""

    def head(self, at: int) -> Head | None:
        """See `LogFile.head`."""
        start = at - self._begin
        if start + HEAD > len(self._data):
            is_close = self._last > 0 and at - self._last <= WINDOW // 8
            self._size = min(max(2 * self._size, PAGE), WINDOW) if is_close else HEAD
            self._begin, self._data, start = at, self._read(at), 0
        self._last = at
        return decode_head(self._data[start : start + HEAD], self._file.header.marker)

    def _read(self, at: int) -> bytes:
        try:
            return self._file.read(at, self._size)
        except OSError:  # what the disk cannot give need not be a head
            return self._file.read(at, HEAD)
