"""Whether a log is what was written."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from router.errors import ConfigurationError
from router.store.advice import DamagedError
from router.store.log.format import BEGIN
from router.store.log.walking import Damage, Group, LogFile

SECTOR = 512
"""What a disk writes whole or not at all."""


class Tail(NamedTuple):
    """Where a log ends that grows, or was left when it did.

    Attributes:
        end: the place behind its last group; what a crash has left of another one does not count.
        last: the highest sequence; -1 where there is none.
        first: the first group with events; None where there is none.
        is_closed: whether it says that nothing is missing.
        damages: what of it cannot be read.
    """

    end: int
    last: int
    first: Group | None
    is_closed: bool
    damages: tuple[Group | Damage, ...]


def tail_of(file: LogFile) -> Tail:
    """Where a log ends that may have been left in the midst of a commit.

    A commit begins when the one before it is on disk, so only the last group can be there in part: then parts
    of it are missing, and nothing in it is another. All heads are looked at, and the last events.
    """
    damages: list[Group | Damage] = []
    first = latest = events = None
    end = BEGIN
    last = before = -1
    for item in file.walk(BEGIN, file.size(), -1):
        if isinstance(item, Group):
            latest, end = item, item.end
            last, before = item.head.last, last
            if not item.head.is_end:
                first, events = first or item, item
        elif item.before is not None or not _is_cut(file, item.at, file.reach(item.at)):
            damages.append(item)
            end = item.end
    if events is not None and not file.is_whole(events):
        if events is latest and _is_cut(file, events.at, events.end):
            end, last = events.at, before
            first = None if first is events else first
        else:
            damages.append(events)
    return Tail(end, last, first, latest is not None and latest.head.is_end, tuple(damages))


def _is_cut(file: LogFile, begin: int, end: int) -> bool:
    """Whether a part of this was never written: where the file ends, or in whole sectors of zeros."""
    if end > file.size():
        return True
    for sector in range(begin // SECTOR * SECTOR, end, SECTOR):
        at = max(begin, sector)
        if not file.read(at, min(end, sector + SECTOR) - at).strip(b"\0"):
            return True
    return False


def damage(path: Path, *, thorough: bool, grows: bool) -> str | None:
    """What is wrong with a log.

    Args:
        path: the log's.
        thorough: whether to look at every byte, and not only from group to group and at the last events.
        grows: whether it may end with what a crash has left, or with what is being written.

    Raises:
        ConfigurationError: it was made by another version of this router, or it cannot be opened.
    """
    try:
        with closing(LogFile(path, lenient=True)) as file:
            tail = tail_of(file)
            found = tail.damages
            if thorough:
                end = tail.end if grows else file.size()
                found = tuple(item for item in file.walk(BEGIN, end, -1) if _is_torn(file, item))
    except DamagedError as error:
        return str(error)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be opened: {error}") from error
    if not (grows or found or tail.is_closed):
        return "its end is missing"
    return ", ".join(f"damaged from byte {one.at} to {one.end}" for one in found) or None


def _is_torn(file: LogFile, item: Group | Damage) -> bool:
    return isinstance(item, Damage) or not file.is_whole(item)
