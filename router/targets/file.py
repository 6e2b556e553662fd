"""The `file` kind: JSON lines appended to a file in the data folder, a group of messages at a time."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from pydantic import AfterValidator, BaseModel, ConfigDict

from router.clock import Clock, SystemClock
from router.errors import ConfigurationError
from router.targets import jail
from router.targets.appender import Appender
from router.targets.base import Delivered, Message, Outcome, RetryLater, Surroundings, Target
from router.targets.lines import lines_of

_WORD = re.compile(r"\{([^{}]*)\}")
_WORDS = ("date",)


def _vetted_path(path: str) -> str:
    """A path that stays in the data folder, whatever the day."""
    parts = path.split("/")
    if parts[0].startswith("~"):
        raise ValueError("begins with ~, which is not expanded: paths are below the data folder")
    if path.startswith("/"):
        raise ValueError("is absolute; files stand in the data folder, name them from there")
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError("has an empty step, '.' or '..'; name the file from the data folder downwards")
    if any(ord(character) < ord(" ") or character == "\x7f" for character in path):
        raise ValueError("has a control character")
    for word in _WORD.findall(path):
        if word not in _WORDS:
            raise ValueError(f"has {{{word}}}; the one word that is filled in is {{date}}, the day in UTC")
    if any(brace in _WORD.sub("", path) for brace in "{}"):
        raise ValueError("has a brace that does not belong to {date}")
    if jail.is_taken(parts[0]):
        raise ValueError(f"{parts[0]!r} in the data folder belongs to the store; choose another name")
    return path


class FileSettings(BaseModel):
    """What stands under `file:`.

    Attributes:
        path: from the data folder; `{date}` is the day in UTC on which a line is written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, AfterValidator(_vetted_path)]

    def claim(self) -> str:
        """See `router.targets.base.Exclusive`."""
        return f"file {self.path}"


class FileTarget:
    """Appends groups of lines, with one write and one fsync a group, in a thread.

    After a failed write the file is opened anew, and so it is when somebody moved or removed it.

    Attributes:
        pace: see `router.targets.base.Paced`. The disk takes as long for one line as for a hundred.
    """

    batch = 500
    concurrency = 1
    pace = 0.01

    def __init__(self, template: str, folder: Path, clock: Clock) -> None:
        self._template = template
        self._folder = folder
        self._clock = clock
        self._limiter = CapacityLimiter(1)  # one at a time, whatever `concurrency` the user asked for
        self._appender: Appender | None = None
        self._path = ""

    async def deliver(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `Target.deliver`."""
        return await to_thread.run_sync(self._write, messages, limiter=self._limiter)

    async def open(self) -> None:
        """Open today's file.

        Raises:
            ConfigurationError: it cannot be had.
        """
        try:
            await to_thread.run_sync(self._open, self._clock.now(), limiter=self._limiter)
        except OSError as error:
            raise ConfigurationError(f"{self._place()} cannot be opened: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the file."""
        if self._appender is not None:
            self._appender.close()
            self._appender = None

    def _write(self, messages: Sequence[Message]) -> list[Outcome]:
        now = self._clock.now()
        try:
            self._open(now).append(lines_of(messages, now))
        except OSError as error:
            self.close()
            return [RetryLater(f"{self._place()} cannot be written: {error.strerror}")] * len(messages)
        except ConfigurationError as error:
            return [RetryLater(error.message)] * len(messages)
        return [Delivered()] * len(messages)

    def _open(self, now: float) -> Appender:
        """The appender for the file of this moment."""
        path = self._template.replace("{date}", datetime.fromtimestamp(now, UTC).date().isoformat())
        if self._appender is not None and path == self._path and self._appender.is_current():
            return self._appender
        self.close()
        self._path = path
        self._appender = Appender(self._folder, PurePosixPath(path))
        return self._appender

    def _place(self) -> Path:
        return self._folder / self._path


class FileKind:
    """The kind of target named `file`."""

    settings: type[BaseModel] = FileSettings

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    @asynccontextmanager
    async def open(self, settings: FileSettings, surroundings: Surroundings) -> AsyncIterator[Target]:
        """See `Kind.open`."""
        target = FileTarget(settings.path, surroundings.data, self._clock)
        await target.open()
        try:
            yield target
        finally:
            target.close()
