"""Reads files line by line, packed or not, and packs them."""

from __future__ import annotations

import gzip
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, BinaryIO, Final, Literal, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Packing = Literal["gzip", "zstd"]

SUFFIXES: Final[dict[Packing, str]] = {"gzip": ".gz", "zstd": ".zst"}
"""What is appended to a packed file's name."""

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a line beyond which it is read in pieces: no record is so long."""

_BUFFER: Final = 1024 * 1024

_DAMAGE: Final = (EOFError, zlib.error, zstd.ZstdError, OSError)
"""What reading a packed file raises where it is not whole."""


class DamagedError(Exception):
    """A packed file cannot be unpacked any further."""


def lines(name: str, file: BinaryIO) -> Iterator[bytes]:
    """The lines of an open file, unpacked as its name says, each with its line break; flat in memory.

    Raises:
        DamagedError: it is packed, and not whole from here on.
    """
    unpacked = _unpacked(name, file)
    try:
        yield from iter(partial(unpacked.readline, LONGEST), b"")
    except _DAMAGE as error:
        raise DamagedError(str(error)) from error


def _unpacked(name: str, file: BinaryIO) -> IO[bytes]:
    if name.endswith(SUFFIXES["gzip"]):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb"))
    if name.endswith(SUFFIXES["zstd"]):
        return cast("IO[bytes]", zstd.ZstdFile(file, "rb"))
    return file


def pack(packing: Packing, source: BinaryIO, into: BinaryIO) -> None:
    """Write all of `source` into another file, packed."""
    packers: dict[Packing, Callable[[], Any]] = {
        "gzip": lambda: gzip.GzipFile(filename="", fileobj=into, mode="wb", mtime=0),
        "zstd": lambda: zstd.ZstdFile(into, "wb"),
    }
    with packers[packing]() as packed:
        shutil.copyfileobj(source, packed, _BUFFER)
