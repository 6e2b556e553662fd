"""Whether a log is what was written."""

from __future__ import annotations

from typing import NamedTuple

from router.store.advice import DamagedError
from router.store.log.format import BEGIN
from router.store.log.walking import Group, LogFile


class Tail(NamedTuple):
    """Where a log ends.

    Attributes:
        end: the place behind its last whole group.
        last: the highest sequence; -1 where there is none.
        began: when the first event was received, seconds since the epoch; None where there is none.
    """

    end: int
    last: int
    began: float | None


def tail_of(file: LogFile) -> Tail:
    """Where a log ends that may have been left in the midst of a commit.

    A commit begins when the one before it is on disk, so only the last one can be there in part.

    Raises:
        DamagedError: something cannot be read that another group stands behind.
    """
    first: Group | None = None
    whole: Group | None = None
    latest: Group | None = None
    for item in file.walk(BEGIN, file.size(), -1):
        if isinstance(item, Group):
            whole, latest = latest, item
            first = first or item
        elif item.before is not None:
            raise DamagedError(f"{file.path.name} is damaged from byte {item.at} to {item.end}")
    if latest is not None and file.is_whole(latest):
        whole = latest
    if first is None or whole is None:
        return Tail(BEGIN, -1, None)
    return Tail(whole.end, whole.head.last, _began(file, first))


def _began(file: LogFile, group: Group) -> float:
    front = file.read_front(group)
    if front is None:
        raise DamagedError(f"{file.path.name} is damaged from byte {group.at} to {group.end}")
    return front.arrivals[0].received
