"""What becomes of quarantined requests that are redriven: they are read again at once, or they are not."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import msgspec

from router.cli.telling import counted
from router.config.names import QUARANTINE
from router.operations.base import Operations

PATIENCE = 10.0
"""Seconds without progress after which what still waits is called waiting."""

_PAUSE = 0.1


class Reread(msgspec.Struct, frozen=True):
    """What came of quarantined requests.

    Attributes:
        read: could be read now, and became events.
        unreadable: could not be, and are dead letters again.
        waiting: nobody has tried yet.
    """

    read: int
    unreadable: int
    waiting: int


async def settled(operations: Operations) -> tuple[bool, int]:
    """Wait until a running router has tried what waits in quarantine.

    Returns:
        Whether a router runs, and how many still wait.
    """
    fewest = -1
    deadline = 0.0
    while True:
        status = await operations.status()
        waiting = sum(one.pending + one.retrying for one in status.targets if one.name == QUARANTINE)
        if fewest < 0 or waiting < fewest:
            fewest, deadline = waiting, anyio.current_time() + PATIENCE
        if not (status.running and waiting) or anyio.current_time() > deadline:
            return status.running, waiting
        await anyio.sleep(_PAUSE)


def lines(reread: Reread) -> Iterator[str]:
    """What a person is told of it."""
    if reread.read:
        yield f"{QUARANTINE}: {counted(reread.read, 'request')} could be read now"
    if reread.unreadable:
        what = f"{counted(reread.unreadable, 'request')} still cannot be read: dead again"
        yield f"{QUARANTINE}: {what}; see router dead --target {QUARANTINE}"
    if reread.waiting:
        yield f"{QUARANTINE}: {counted(reread.waiting, 'request')} will be read as soon as the router can"
