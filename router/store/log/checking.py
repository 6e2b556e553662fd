"""Whether a log is what was written."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from router.errors import ConfigurationError
from router.store.advice import DamagedError
from router.store.log.format import BEGIN, HEAD, PAGE
from router.store.log.index import Index
from router.store.log.walking import Damage, Group, LogFile

SECTOR = 512
"""What a disk writes whole or not at all."""


class Tail(NamedTuple):
    """Where a log ends that grows, or was left when it did.

    Attributes:
        known: what is known of it; what a crash has left of another group does not count.
        first: the first group with events; None where there is none.
        final: the last group, with events or without; None where there is none.
        damages: what of it cannot be read.
    """

    known: Index
    first: Group | None
    final: Group | None
    damages: tuple[Group | Damage, ...]

    @property
    def is_closed(self) -> bool:
        """Whether it says that nothing is missing."""
        return self.final is not None and self.final.head.is_end


def tail_of(file: LogFile) -> Tail:
    """Where a log ends that may have been left in the midst of a commit.

    A commit begins when the one before it is on disk, so only the last group can be there in part: then parts
    of it are missing, and nothing in it is another. All heads are looked at, and the last events.
    """
    known = Index()
    damages: list[Group | Damage] = []
    latest: list[Group | Damage] = []  # the last group, and what cannot be read behind it
    first = events = final = before = None
    for item in file.walk(BEGIN, file.size(), -1):
        if isinstance(item, Group):
            for one in latest:
                known.add(one)
            before, final = final, item
            latest = [item]
            if not item.head.is_end:
                first, events = first or item, item
        elif item.before is not None or not _is_cut(file, item.at, file.reach(item.at)):
            damages.append(item)
            latest.append(item)
    if events is not None and (torn := _torn(file, events)):
        if latest == [events] and all(_is_cut(file, *stretch) for stretch in torn):
            first, final, latest = None if first is events else first, before, []
        else:
            damages.append(events)
    for one in latest:
        known.add(one)
    return Tail(known, first, final, tuple(damages))


def _torn(file: LogFile, group: Group) -> list[tuple[int, int]]:
    """From where to where a group is not what was written, as far as it tells."""
    front = file.read_front(group)
    if front is None:
        return [(group.at + HEAD, group.at + HEAD + group.head.front)]
    pieces = (*front.records, *front.originals.values())
    return [(piece.at, piece.at + piece.size) for piece in pieces if file.read_piece(piece) is None]


def _is_cut(file: LogFile, begin: int, end: int) -> bool:
    """Whether a part of this was never written: where the file ends, or in whole sectors of zeros."""
    if end > file.size():
        return True
    if not file.unread.isdisjoint(range(begin // PAGE * PAGE, end, PAGE)):
        return False
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
            found, is_closed = _damages(file, thorough=thorough, grows=grows)
            if found and grows:  # what was just being written is whole by now
                again = {one.at for one in _damages(file, thorough=thorough, grows=grows)[0]}
                found = [one for one in found if one.at in again]
    except DamagedError:
        return "it has no header"
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be opened: {error}") from error
    if not (grows or found or is_closed):
        return "its end is missing"
    return places(found) if found else None


def _damages(file: LogFile, *, thorough: bool, grows: bool) -> tuple[list[Group | Damage], bool]:
    """What cannot be read, and whether the log says that nothing is missing."""
    tail = tail_of(file)
    if not thorough:
        return list(tail.damages), tail.is_closed
    end = tail.known.end if grows else file.size()
    items = file.walk(BEGIN, end, -1)
    return [one for one in items if isinstance(one, Damage) or _torn(file, one)], tail.is_closed


def places(damages: Iterable[Group | Damage]) -> str:
    """Where these are, in words; those side by side are one stretch."""
    stretches: list[tuple[int, int]] = []
    for one in damages:
        at = stretches.pop()[0] if stretches and stretches[-1][1] == one.at else one.at
        stretches.append((at, one.end))
    return ", ".join(f"damaged from byte {at} to {end}" for at, end in stretches)
