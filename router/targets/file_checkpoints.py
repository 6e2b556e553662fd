"""When a checkpoint of a target's chain is due, and where it goes: beside the file, and to who is told."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path, PurePosixPath

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from router.audit.checkpoints import TYPE, Checkpoint, found_in
from router.errors import ConfigurationError
from router.events import Event
from router.targets import jail
from router.targets.appender import Appender
from router.targets.base import Message
from router.targets.file_names import BESIDE
from router.targets.lines import rfc3339

UNSENT = 1_000
"""How many checkpoints wait for a store that cannot take them; the oldest are left out beyond."""

_log = structlog.get_logger(__name__)


class Signer:
    """Makes the checkpoints of one chain. Used by one thread at a time; `unsent` by any.

    Attributes:
        unsent: those that nobody has been told of yet.

    Args:
        name: the chain's: that of the target.
        every: records after which one is due; None where somebody else knows when.
    """

    def __init__(self, name: str, key: Ed25519PrivateKey, every: int | None) -> None:
        self.unsent: deque[Checkpoint] = deque(maxlen=UNSENT)
        self._name = name
        self._key = key
        self._every = every
        self._uncovered = 0
        self._is_failing = False

    def begin(self, folder: Path, beside: PurePosixPath | None, count: int, head: bytes) -> None:
        """Take up a chain of so many records. Says so where its last checkpoint knows others, or more."""
        self._uncovered = count
        last = None if beside is None else _last(folder, beside)
        if last is not None and last.count > count:
            _log.error("file.records_missing", chain=self._name, records=count, checkpoint=last.count)
        if last is not None and last.count == count and last.head.encode() != head:
            _log.error("audit.altered", chain=self._name, record=count, checkpoint=last.time)

    def count(self, messages: list[Message]) -> None:
        """These have become records.

        Those of checkpoints alone make no other one due: else two files that tell one another would never be
        done.
        """
        self._uncovered += sum(message.event.type != TYPE for message in messages)

    @property
    def is_due(self) -> bool:
        """Whether there are so many records since the last one."""
        return self._every is not None and self._uncovered >= self._every

    def make(self, folder: Path, path: PurePosixPath, count: int, head: bytes, now: float) -> None:
        """Sign for what is there, if that is news. Where it cannot be written, it is due again."""
        if not self._uncovered:
            return
        checkpoint = Checkpoint(self._name, count, head.decode(), rfc3339(now)).signed(self._key)
        beside = path.with_name(path.name + BESIDE)
        try:
            file = Appender(folder, beside)
            try:
                file.append(msgspec.json.encode(checkpoint) + b"\n")
            finally:
                file.close()
        except (OSError, ConfigurationError) as error:
            if not self._is_failing:
                _log.warning("file.checkpoint_unwritten", file=str(folder / beside), error=str(error))
            self._is_failing = True
            return
        self._is_failing = False
        self._uncovered = 0
        self.unsent.append(checkpoint)


def event_of(checkpoint: Checkpoint) -> Event:
    """The event that tells of a checkpoint."""
    return Event(
        id=f"{checkpoint.chain}-{checkpoint.count}-{checkpoint.time}",
        source=f"/rule-router/targets/{checkpoint.chain}",
        type=TYPE,
        subject=checkpoint.chain,
        time=checkpoint.time,
        datacontenttype="application/json",
        data=msgspec.json.encode(checkpoint),
    )


def _last(folder: Path, beside: PurePosixPath) -> Checkpoint | None:
    parent = jail.enter(folder, beside.parent)
    try:
        file = jail.open_in(parent, beside.name, os.O_RDONLY)
    finally:
        os.close(parent)
    with os.fdopen(file, "rb") as found:
        found.seek(max(0, os.fstat(found.fileno()).st_size - 4096))
        return next(iter(reversed(list(found_in(found)))), None)
