"""Whether a log is what was written."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from router.errors import ConfigurationError
from router.store.advice import DamagedError
from router.store.log.format import BEGIN
from router.store.log.walking import Group, LogFile


class Tail(NamedTuple):
    """Where a log ends.

    Attributes:
        end: the place behind its last whole group.
        began: when the first event was received, seconds since the epoch; None where there is none.
    """

    end: int
    began: float | None


def damage(path: Path, *, thorough: bool) -> str | None:
    """What is wrong with a log, but for what a crash has left at its end.

    Args:
        path: the log's.
        thorough: whether to look at every byte, and not only from group to group and at the last one.

    Raises:
        ConfigurationError: it was made by another version of this router, or it cannot be opened.
    """
    try:
        with closing(LogFile(path)) as file:
            end = tail_of(file).end
            groups = file.walk(BEGIN, end, -1) if thorough else ()
            torn = [group for group in groups if isinstance(group, Group) and not file.is_whole(group)]
    except DamagedError as error:
        return str(error)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be opened: {error}") from error
    return ", ".join(f"damaged from byte {one.at} to {one.end}" for one in torn) or None


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
        return Tail(BEGIN, None)
    return Tail(whole.end, _began(file, first))


def _began(file: LogFile, group: Group) -> float:
    front = file.read_front(group)
    if front is None:
        raise DamagedError(f"{file.path.name} is damaged from byte {group.at} to {group.end}")
    return front.arrivals[0].received
