"""Finds lines of the `file` kind by when they were written, and by their event's type and subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

import msgspec


class About(msgspec.Struct, frozen=True):
    """What a line tells of its event."""

    id: str = ""
    source: str = ""
    type: str = ""
    subject: str = ""


class Entry(msgspec.Struct, frozen=True):
    """What a line tells; what it does not tell is empty.

    Attributes:
        n: which record of its chain it is; None where there is no chain.
        id: of the delivery.
        time: when it was written.
        event: empty where a transform made the body.
    """

    time: datetime
    n: int | None = None
    id: str = ""
    event: About = About()


@dataclass(frozen=True, slots=True)
class Query:
    """Which lines are wanted: all that fit everything that is not None.

    Attributes:
        since: written then or later.
        until: written before.
        type: of the event; `*`, `?` and `[…]` as in names of files.
        subject: likewise.
    """

    since: datetime | None = None
    until: datetime | None = None
    type: str | None = None
    subject: str | None = None

    def fits(self, entry: Entry) -> bool:
        """Whether this one is wanted."""
        return (
            (self.since is None or entry.time >= self.since)
            and (self.until is None or entry.time < self.until)
            and (self.type is None or fnmatchcase(entry.event.type, self.type))
            and (self.subject is None or fnmatchcase(entry.event.subject, self.subject))
        )


_DECODER = msgspec.json.Decoder(Entry)


def find(lines: Iterable[bytes], query: Query) -> Iterator[tuple[Entry, bytes]]:
    """The lines that are wanted, and what they tell. What is no such line is passed over."""
    for line in lines:
        try:
            entry = _DECODER.decode(line)
        except msgspec.MsgspecError:
            continue
        if query.fits(entry):
            yield entry, line
