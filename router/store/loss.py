"""What a store has lost for good: written down beside its events, and told until somebody takes note."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from router.store.layout import OWNER_ONLY, Segments, sync
from router.store.missing import Missing, missing

VANISHED = "events"
"""What a loss calls all that was accepted, where nothing of it is there."""

log = structlog.stdlib.get_logger(__name__)


class Loss(msgspec.Struct, frozen=True):
    """What is lost.

    Attributes:
        when: seconds since the epoch.
        database: the name of the database that was rebuilt; `VANISHED` where there was none.
    """

    when: int
    database: str
    missing: Missing


def losses(folder: Path) -> list[tuple[Path, Loss]]:
    """What was lost, and the file in which each loss is written down; gone when that is removed."""
    found = []
    for path in sorted((folder / "events").glob("*.lost-*")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found.append((path, msgspec.json.decode(path.read_bytes(), type=Loss)))
    return found


def write_down(path: Path, gone: Missing, now: int) -> None:
    """Leave a trace of what a database has lost.

    Raises:
        OSError: there is no room for it.
    """
    half = path.with_name(f"{path.name}.lost.half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(Loss(now, path.name, gone))))
        file.flush()
        os.fsync(file.fileno())
    half.rename(path.with_name(f"{path.name}.lost-{now}"))
    sync(path.parent)


def note_vanished(segments: Segments, marks: Mapping[str, int], now: int) -> None:
    """Tell that all files of events are gone, if they are: a store that was ever opened has one.

    That only the newest of several is gone, nothing tells: watermarks go on without events.

    Args:
        segments: those of a store that is being opened, before it begins a new one.
        marks: its watermarks.
        now: seconds since the epoch.
    """
    head = max(marks.values(), default=0)
    if segments.all or not head:
        return
    hint = "somebody has removed data/events/*.log, or a disk has; `router doctor` says what waited there"
    log.error("segment.missing", until=head, hint=hint)
    with contextlib.suppress(OSError):  # it is said; and a full disk keeps no router from its start
        gone = missing(segments.path(1), frozenset(), (1, head), [segments.kept])
        # A start that failed afterwards has written it down, and the next one comes in a second.
        if all(loss.missing != gone for _, loss in losses(segments.folder.parent)):
            write_down(segments.folder / VANISHED, gone, now)
