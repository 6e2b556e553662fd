"""A stream that never makes its writer wait: a log that nobody reads must not stop the router."""

from __future__ import annotations

import atexit
import contextlib
import queue
import threading
from typing import TextIO

MOST_LINES = 10_000
"""Lines that wait at most; what comes beyond is left out, and how much is said."""

LAST_WORDS = 1.0
"""Seconds at the end of the process for what still waits."""


class Pump:
    """Writes to a stream from a thread of its own. Has what a log needs of a text stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_LINES)
        self._left_out = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, text: str) -> int:
        """Hand a line over."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._left_out += 1
        return len(text)

    def flush(self) -> None:
        """The thread does it."""

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._stream.isatty()

    def close(self) -> None:
        """Write what waits, as far as that goes quickly."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        while (text := self._lines.get()) is not None:
            if left_out := self._left_out:
                self._left_out = 0
                text += f'{{"level":"warning","event":"log.left_out","lines":{left_out}}}\n'
            with contextlib.suppress(
                OSError, ValueError
            ):  # closed, broken, full: lines are lost, not the router
                self._stream.write(text)
                self._stream.flush()
