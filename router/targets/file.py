"""The `file` kind: JSON lines appended to a file in the data folder, a group of messages at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import structlog
from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel

from router.audit import keys
from router.clock import Clock, SystemClock
from router.errors import ConfigurationError, RouterError
from router.targets.base import Delivered, Message, Outcome, RetryLater, Surroundings, Target, Tell
from router.targets.file_checkpoints import Signer, event_of
from router.targets.file_names import Names
from router.targets.file_series import Series
from router.targets.file_settings import Chain, FileSettings
from router.targets.file_tidy import tidy

__all__ = ["FileKind", "FileSettings", "FileTarget"]

PAUSE = 5.0
"""Seconds before a store that could not take a checkpoint is asked again."""

LOOK = 3_600.0
"""Seconds between two looks for files that were kept long enough."""

LAST_WORD = 2.0
"""Seconds that the last checkpoint may take to be stored when the target is closed."""

_log = structlog.stdlib.get_logger(__name__)


class FileTarget:
    """Appends groups of lines, with one write and one fsync a group, in a thread.

    After a failed write the file is opened anew, and so it is when somebody moved or removed it.

    Attributes:
        pace: see `router.targets.base.Paced`. The disk takes as long for one line as for a hundred.

    Args:
        name: the target's, and that of its chain.
        folder: the data folder.
        tell: stores checkpoints for another target.
    """

    batch = 500
    concurrency = 1
    pace = 0.01

    def __init__(self, name: str, settings: FileSettings, folder: Path, clock: Clock, tell: Tell) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._tell = tell
        self._limiter = CapacityLimiter(1)  # one at a time, whatever `concurrency` the user asked for
        self._signer = _signer(name, settings.chain)
        self._series = Series(folder, settings, self._signer)
        self._tidied = 0
        self._stir = anyio.Event()

    @property
    def has_work_beside(self) -> bool:
        """Whether there is anything to do beside writing."""
        settings = self._settings
        return not (self._signer is None and settings.compress is None and settings.keep is None)

    async def deliver(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `Target.deliver`."""
        outcomes = await to_thread.run_sync(self._write, messages, limiter=self._limiter)
        self._look()
        return outcomes

    async def open(self) -> None:
        """Open the file of this moment.

        Raises:
            ConfigurationError: it cannot be had.
        """
        try:
            await to_thread.run_sync(self._open, limiter=self._limiter)
        except OSError as error:
            raise ConfigurationError(f"{self._place()} cannot be opened: {error.strerror}") from error

    async def keep(self) -> None:
        """Pack, remove, and tell of checkpoints, for ever."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._sign_in_time)
            group.start_soon(self._look_now_and_then)
            while True:
                self._stir = anyio.Event()
                if self._tidied != self._series.turns:
                    self._tidied = self._series.turns
                    await to_thread.run_sync(self._tidy)
                while not await self._told():
                    await self._clock.sleep_until(self._clock.now() + PAUSE)
                await self._stir.wait()

    async def leave(self) -> None:
        """Make the last checkpoint, and let go of the file."""
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._close, limiter=self._limiter)
            with anyio.move_on_after(LAST_WORD):
                await self._told()

    def _look(self) -> None:
        if self._tidied != self._series.turns or (self._signer is not None and self._signer.unsent):
            self._stir.set()

    async def _sign_in_time(self) -> None:
        chain = self._settings.chain
        if not isinstance(chain, Chain) or not isinstance(chain.every, float):
            return
        while True:
            await self._clock.sleep_until(self._clock.now() + chain.every)
            await to_thread.run_sync(self._sign, limiter=self._limiter)
            self._look()

    async def _look_now_and_then(self) -> None:
        while self._settings.keep is not None:
            await self._clock.sleep_until(self._clock.now() + LOOK)
            self._tidied = 0
            self._look()

    async def _told(self) -> bool:
        """Have another target told of all checkpoints; whether that is done."""
        chain = self._settings.chain
        if self._signer is None or not isinstance(chain, Chain):
            return True
        unsent = self._signer.unsent
        while unsent:
            checkpoint = unsent[0]
            if chain.checkpoints is not None:
                try:
                    await self._tell(event_of(checkpoint), chain.checkpoints)
                except RouterError as error:
                    _log.error("file.checkpoint_untold", to=chain.checkpoints, error=error.message)
                    return False
            if unsent and unsent[0] is checkpoint:
                unsent.popleft()
        return True

    def _write(self, messages: Sequence[Message]) -> list[Outcome]:
        try:
            self._series.append(messages, self._clock.now())
        except OSError as error:
            self._series.close()
            return [RetryLater(f"{self._place()} cannot be written: {error.strerror}")] * len(messages)
        except ConfigurationError as error:
            return [RetryLater(error.message)] * len(messages)
        return [Delivered()] * len(messages)

    def _open(self) -> None:
        now = self._clock.now()
        self._series.open(now)
        self._series.sign(now)

    def _sign(self) -> None:
        self._series.sign(self._clock.now())

    def _close(self) -> None:
        self._series.sign(self._clock.now())
        self._series.close()

    def _tidy(self) -> None:
        settings = self._settings
        names, current = Names(settings.path), self._series.path
        tidy(self._folder, names, current, settings.compress, settings.keep, self._clock.now())

    def _place(self) -> Path:
        return self._folder / self._series.path


def _signer(name: str, chain: object) -> Signer | None:
    if not isinstance(chain, Chain):
        return None
    every = chain.every if isinstance(chain.every, int) else None
    return Signer(name, keys.private(chain.key.get_secret_value()), every)


class FileKind:
    """The kind of target named `file`."""

    settings: type[BaseModel] = FileSettings

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    @asynccontextmanager
    async def open(self, settings: FileSettings, surroundings: Surroundings) -> AsyncIterator[Target]:
        """See `Kind.open`."""
        target = FileTarget(surroundings.name, settings, surroundings.data, self._clock, surroundings.tell)
        await target.open()
        try:
            if target.has_work_beside:
                async with anyio.create_task_group() as group:
                    group.start_soon(target.keep)
                    yield target
                    group.cancel_scope.cancel()
            else:
                yield target
        finally:
            await target.leave()
