"""A target's files, one after another: which one is written, what it holds, and when the next begins."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

import structlog

from router.audit.records import ORIGIN, link_of
from router.audit.streams import DamagedError
from router.errors import ConfigurationError
from router.targets.appender import Appender, FileInUseError, NotOurFileError
from router.targets.base import Message
from router.targets.file_checkpoints import Signer
from router.targets.file_names import Names, Piece, When
from router.targets.file_settings import FileSettings, Rotate
from router.targets.file_tail import REMEMBERED, newest_lines, written
from router.targets.lines import chained, lines_of

_log = structlog.get_logger(__name__)


class Series:
    """Appends messages, each once. Used by one thread at a time.

    What an earlier life wrote is looked up when the files are opened. What this one wrote does not come
    again, but after a failure: then they are opened anew.

    Attributes:
        turns: how many files were finished, or begun.

    Args:
        folder: the data folder.
        signer: makes the chain's checkpoints; None for none.
    """

    def __init__(self, folder: Path, settings: FileSettings, signer: Signer | None) -> None:
        self.turns = 0
        self._folder = folder
        self._names = Names(settings.path)
        self._rotate = settings.rotate or Rotate.model_construct()
        self._is_chained = settings.chain is not False
        self._signer = signer
        self._appender: Appender | None = None
        self._when: When = ()
        self._number = 1
        self._known: frozenset[str] = frozenset()
        self._count, self._head = 0, ORIGIN
        self._last = 0.0
        self._behind = False

    @property
    def path(self) -> PurePosixPath:
        """The file that is written, below the data folder."""
        return self._names.path(self._when)

    def open(self, now: float) -> None:
        """Open the file of this moment, or a newer one: the clock may be behind.

        Raises:
            ConfigurationError: it is not ours.
            OSError: it cannot be opened.
        """
        self.close()
        pieces = self._names.pieces(self._folder)
        self._when = self._names.when(now)
        behind = bool(pieces) and pieces[-1].when > self._when
        if behind:
            self._when = pieces[-1].when
            if not self._behind:
                _log.warning("file.clock_is_behind", file=str(self._folder / self.path))
        self._behind = behind
        self._mend(pieces)
        self._appender = Appender(self._folder, self.path)
        try:
            self._take_up(self._names.pieces(self._folder), now)
        except BaseException:
            self.close()
            raise
        self.turns += 1

    def append(self, messages: Sequence[Message], now: float) -> None:
        """Write those that are not there yet.

        Raises:
            ConfigurationError: the next file is not ours.
            OSError: nothing of them is acknowledged. `close` this, and open it again.
        """
        appender = self._current(now)
        fresh = [message for message in messages if message.id not in self._known]
        if not fresh:
            return
        if self._is_chained:
            text, count, head = chained(fresh, now, self._count, self._head)
            appender.append(text)
            self._count, self._head = count, head
        else:
            appender.append(lines_of(fresh, now))
        self._last = now
        if self._signer is not None:
            self._signer.count(fresh)
            if self._signer.is_due:
                self.sign(now)

    def sign(self, now: float) -> None:
        """Make a checkpoint, if there are records that none covers."""
        if self._signer is not None and self._appender is not None:
            self._signer.make(self._folder, self.path, self._count, self._head, now)

    def close(self) -> None:
        """Let go of the file."""
        if self._appender is not None:
            self._appender.close()
            self._appender = None

    def _current(self, now: float) -> Appender:
        """The appender for the file of this moment."""
        if self._appender is not None and self._appender.is_current():
            if self._names.when(now) > self._when:
                self.sign(now)
            elif self._is_over(self._appender, now):
                return self._finish(self._appender, now)
            elif self._names.when(now) == self._when or self._behind:
                return self._appender
        self.open(now)
        assert self._appender is not None
        return self._appender

    def _mend(self, pieces: list[Piece]) -> None:
        """Set aside the line that a crash tore in the file before: nobody writes that one any more."""
        before = [piece for piece in pieces if piece.path != self.path]
        if before and not before[-1].is_packed:
            # It is being packed, or somebody else's: then there is no torn line of ours in it.
            with contextlib.suppress(FileNotFoundError, FileInUseError, NotOurFileError):
                Appender(self._folder, before[-1].path, make=False).close()

    def _is_over(self, appender: Appender, now: float) -> bool:
        rotate = self._rotate
        if rotate.size is None and rotate.every is None:
            return False
        size = appender.size
        if not size:
            return False
        # All lines of a file are of one stretch of time: so the last one tells that of the file.
        return (rotate.size is not None and size >= rotate.size) or (
            rotate.every is not None and now // rotate.every > self._last // rotate.every
        )

    def _finish(self, appender: Appender, now: float) -> Appender:
        """Begin the next file of the same name."""
        self.sign(now)
        appender.rename(self._names.finished(self._when, self._number).name)
        self._number += 1
        self.close()
        self.turns += 1
        self._appender = Appender(self._folder, self.path)
        return self._appender

    def _take_up(self, pieces: list[Piece], now: float) -> None:
        """Learn what is there, and go on with it."""
        assert self._appender is not None
        numbers = [piece.number for piece in pieces[:-1] if piece.when == self._when]
        self._number = int(max(numbers, default=0)) + 1
        last = self._remember(pieces)
        link = None if last is None else link_of(last)
        if self._is_chained and link is not None and link.n >= self._count:
            self._count, self._head = link.n, link.hash
        elif self._count:  # somebody has taken from our files what we wrote: the chain says so
            _log.error("file.records_missing", file=str(self._folder / self.path), records=self._count)
        if self._appender.size and (link is not None) != self._is_chained:
            _log.warning("file.begun_anew", file=str(self._folder / self.path), chained=self._is_chained)
            self._finish(self._appender, now)
        if self._signer is not None:
            beside = self._names.beside(self._folder)
            self._signer.begin(self._folder, beside[-1][1] if beside else None, self._count, self._head)

    def _remember(self, pieces: list[Piece]) -> bytes | None:
        """Take note of the deliveries that were written last; the very last line."""
        last: bytes | None = None
        known = set()
        self._last = 0.0
        try:
            for line in islice(newest_lines(self._folder, pieces), REMEMBERED):
                found = written(line)
                if last is None:
                    last = line
                    self._last = found.time if found else 0.0
                if found is not None:
                    known.add(found.id)
        except DamagedError as error:
            if last is None:
                what = f"a packed file before {self._folder / self.path} is damaged ({error}); move it away"
                raise ConfigurationError(what) from error
        self._known = frozenset(known)
        return last
