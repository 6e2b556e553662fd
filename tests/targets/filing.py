"""What tests of the `file` kind share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from router.audit.streams import lines
from router.clock import Clock
from router.errors import RouterError
from router.events import Event
from router.targets.base import Message, Outcome, Surroundings, Target
from router.targets.file import FileKind, FileSettings
from tests.targets.clock import StandingClock

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3_600.0, 86_400.0

KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
"""


class Told:
    """Another target: what it was told. While it is `deaf`, the store takes nothing."""

    def __init__(self) -> None:
        self.events: list[tuple[Event, str]] = []
        self.deaf = False

    async def __call__(self, event: Event, to: str) -> None:
        if self.deaf:
            raise RouterError("the store is full")
        self.events.append((event, to))


def message(number: int, size: int = 2, event_type: str = "t") -> Message:
    event = Event(id=f"e{number}", source="/s", type=event_type, data=b'"%s"' % (b"x" * (size - 2)))
    return Message(f"{number}-audit", number, event, None, ("everything",), 1)


def opened(
    folder: Path, clock: Clock | None = None, told: Told | None = None, **settings: Any
) -> AbstractAsyncContextManager[Target]:
    """The target with these settings; `path` is `audit.jsonl` where nothing is said."""
    kind = FileKind(clock or StandingClock(NOON))
    surroundings = Surroundings("audit", folder, loopback=True, tell=told or Told())
    return kind.open(FileSettings.model_validate({"path": "audit.jsonl", **settings}), surroundings)


async def deliver(target: Target, *numbers: int, size: int = 2) -> Sequence[Outcome]:
    return await target.deliver([message(number, size) for number in numbers])


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def sequences(*paths: Path) -> list[int]:
    """The sequences in files, packed or not, one after another."""
    found = []
    for path in paths:
        with path.open("rb") as file:
            found += [msgspec.json.decode(line)["sequence"] for line in lines(path.name, file)]
    return found
