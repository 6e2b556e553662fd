"""Whether a log is what was written."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from router.errors import ConfigurationError
from router.store.advice import DamagedError
from router.store.log.format import BEGIN
from router.store.log.walking import Damage, Group, LogFile


class Tail(NamedTuple):
    """Where a log ends that grows, or was left when it did.

    Attributes:
        end: the place behind its last whole group.
        first: the first group; None where there is none.
        damages: what cannot be read before that.
    """

    end: int
    first: Group | None
    damages: tuple[Damage, ...]


def tail_of(file: LogFile) -> Tail:
    """Where a log ends that may have been left in the midst of a commit.

    A commit begins when the one before it is on disk, so only the last one can be there in part.
    """
    damages: list[Damage] = []
    first: Group | None = None
    end = before = BEGIN
    latest: Group | None = None
    for item in file.walk(BEGIN, file.size(), -1):
        if isinstance(item, Group):
            first = first or item
            before, end, latest = end if latest is None else latest.end, item.end, item
        elif item.before is not None:
            damages.append(item)
            before = item.end
    if latest is not None and not file.is_whole(latest):
        end = before
        first = None if first == latest else first
    return Tail(end, first, tuple(damages))


def damage(path: Path, *, thorough: bool, grows: bool) -> str | None:
    """What is wrong with a log.

    Args:
        path: the log's.
        thorough: whether to look at every byte, and not only from group to group and at the last one.
        grows: whether it may end with what a crash has left, or with what is being written.

    Raises:
        ConfigurationError: it was made by another version of this router, or it cannot be opened.
    """
    try:
        with closing(LogFile(path)) as file:
            end = tail_of(file).end if grows else file.size()
            found = [item for item in file.walk(BEGIN, end, -1) if _is_damaged(file, item, thorough=thorough)]
    except DamagedError as error:
        return str(error)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be opened: {error}") from error
    return ", ".join(f"damaged from byte {one.at} to {one.end}" for one in found) or None


def _is_damaged(file: LogFile, item: Group | Damage, *, thorough: bool) -> bool:
    return isinstance(item, Damage) or (thorough and not file.is_whole(item))
