"""Chains of records, made and falsified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from router.audit.checkpoints import Checkpoint
from router.audit.records import ORIGIN, link_of, seal

KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()


def members(number: int, word: str = "event") -> bytes:
    """What stands in a record."""
    return b'"event":{"id":"%d","data":"%b"},"rules":["all"],"id":"%d-a","sequence":%d,"time":"%b"' % (
        number, word.encode(), number, number, b"2026-11-22T12:00:00.000000Z",
    )  # fmt: skip


def chain(count: int, first: int = 1, prev: bytes = ORIGIN) -> list[bytes]:
    """So many records."""
    made = []
    for number in range(first, first + count):
        line, prev = seal(number, prev, members(number))
        made.append(line)
    return made


def forged(lines: Sequence[bytes]) -> list[bytes]:
    """The same lines as a chain that agrees with itself: numbers and hashes are made anew."""
    prev, made = ORIGIN, []
    for number, line in enumerate(lines, 1):
        body = line.split(b",", 2)[2].rpartition(b',"hash"')[0]
        sealed, prev = seal(number, prev, body)
        made.append(sealed)
    return made


def checkpoint(lines: Sequence[bytes], count: int, key: Ed25519PrivateKey = KEY) -> Checkpoint:
    """A checkpoint of the chain when it had `count` records."""
    link = link_of(lines[count - 1])
    assert link is not None
    return Checkpoint("audit", count, link.hash.decode(), "2026-11-22T12:00:00.000000Z").signed(key)


LINES_OF_CHAIN = chain(5)


def write(folder: Path, *files: Sequence[bytes]) -> list[Path]:
    """The lines, in files."""
    paths = [folder / f"audit.{number:06}.jsonl" for number in range(1, len(files) + 1)]
    for path, lines in zip(paths, files, strict=True):
        path.write_bytes(b"".join(lines))
    return paths
