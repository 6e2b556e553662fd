"""The router as its user runs it: a process of its own, on a free port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

START = 30.0
"""Seconds a router may take to listen, on a machine that is busy with other tests."""


class RouterProcess:
    """`router serve`, started and listening. Where it is not `heard`, nobody reads its standard output.

    Attributes:
        url: where it listens.
        log: its log so far, line by line.
        output: its standard output so far, line by line.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        data: Path,
        environ: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        cwd: Path | None = None,
        *,
        heard: bool = True,
        python: str = sys.executable,
    ) -> None:
        self.log: list[dict[str, Any]] = []
        self.output: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [
                python,
                "-m",
                "router",
                "serve",
                *map(str, paths),
                "--data",
                str(data),
                "--port",
                "0",
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=dict(os.environ) | dict(environ or {}),
        )
        self._readers = [threading.Thread(target=self._read_log, daemon=True)]
        if heard:
            self._readers.append(threading.Thread(target=self._read_output, daemon=True))
        for reader in self._readers:
            reader.start()
        try:
            self.url = str(self.wait_for_log("router.started", START)["url"])
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: it does not get to say goodbye."""
        self._process.kill()
        self.wait(10.0)

    def terminate(self, timeout: float = 30.0) -> int:
        """SIGTERM; returns the exit status."""
        self.signal_term()
        return self.wait(timeout)

    def signal_term(self) -> None:
        """SIGTERM; does not wait for what comes of it."""
        self._process.send_signal(signal.SIGTERM)

    def hang_up(self) -> None:
        """SIGHUP: it is to read its configuration again."""
        self._process.send_signal(signal.SIGHUP)

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for its end; returns the exit status."""
        status = self._process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()
        return status

    def wait_for_log(self, event: str, timeout: float = 10.0, count: int = 1) -> dict[str, Any]:
        """Block until the log has said `event` so many times; return the last of these lines.

        Raises:
            AssertionError: it did not, in time or before its end; with what it said instead.
        """

        def said() -> dict[str, Any] | None:
            lines = [line for line in self.log if line.get("event") == event]
            return lines[count - 1] if len(lines) >= count else None

        with self._changed:
            self._changed.wait_for(lambda: said() or self._ended, timeout)
            found = said()
            assert found is not None, f"no {event!r} within {timeout} s; the log says {self.log}"
            return found

    def wait_for_output(self, count: int, timeout: float = 10.0) -> list[str]:
        """Block until there are `count` lines on standard output."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.output) >= count, timeout), self.output
            return list(self.output)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                said = json.loads(line)
            except ValueError:
                said = {"event": "", "text": line.decode(errors="replace")}
            with self._changed:
                self.log.append(said)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.output.append(line.decode())
                self._changed.notify_all()


def output_until(stream: IO[str], word: str) -> list[str]:
    """Read lines until one has `word` in it; return them all.

    Raises:
        AssertionError: the stream ended first.
    """
    lines = []
    for line in stream:
        lines.append(line)
        if word in line:
            return lines
    raise AssertionError(f"no {word!r} in {lines}")
