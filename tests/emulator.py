"""A cloud's emulator as its user runs it: `router emulate`, a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self


class EmulatorProcess:
    """`router emulate … --json`.

    Attributes:
        told: its standard output so far: an object for each attempt.
        errors: its standard error so far, line by line.
    """

    def __init__(
        self, *words: str | Path, environ: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.told: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "router", "emulate", *map(str, words), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=dict(os.environ) | dict(environ or {}),
        )
        self._readers = [
            threading.Thread(target=self._read_told, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for its end; returns the exit status."""
        status = self._process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        return status

    def serving(self, timeout: float = 20.0) -> str:
        """Block until it takes jobs; where."""
        self._until(lambda: bool(self.errors), timeout)
        return self.errors[0].split("takes OCR jobs at ")[1].split("/jobs")[0]

    def wait_for(self, fits: Callable[[dict[str, Any]], bool], count: int = 1, timeout: float = 20.0) -> None:
        """Block until it told of so many attempts that fit."""
        self._until(lambda: sum(map(fits, self.told)) >= count, timeout)

    def _until(self, reached: Callable[[], bool], timeout: float) -> None:
        with self._changed:
            assert self._changed.wait_for(reached, timeout), (self.errors, self.told[-3:])

    def _read_told(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.told.append(json.loads(line))
                self._changed.notify_all()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._changed:
                self.errors.append(line)
                self._changed.notify_all()
