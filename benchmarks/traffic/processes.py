"""Processes on cores of their own, and what they cost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from router.operations import address

ROOT = Path(__file__).parents[2]
"""Where the packages are."""

START = 60.0
"""Seconds that a router may take to listen; ten thousand rules are read first."""

_END = 30.0


class UnstartedError(Exception):
    """A process did not start, or did not go on."""


class Process:
    """A running server.

    Attributes:
        port: where it listens on 127.0.0.1.
        log: the file with what it says.
    """

    def __init__(self, port: int, log: Path, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.log = log
        self._process = process

    def processor(self) -> float:
        """Seconds of processor time that all its threads have used so far."""
        # A process's clock by its id: clock_getcpuclockid(3) in the C library.
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        return next(int(line.split()[1]) * 1_024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def files(self) -> int:
        """Open file descriptors."""
        return sum(1 for _ in Path(f"/proc/{self._process.pid}/fd").iterdir())

    def check(self) -> None:
        """See that it still runs.

        Raises:
            UnstartedError: it does not; with the end of what it said.
        """
        if self._process.poll() is not None:
            said = self.log.read_text("utf-8", "replace")[-2_000:]
            raise UnstartedError(f"{self._process.args!r} ended with {self._process.returncode}: {said}")


def cores() -> tuple[set[int], set[int]]:
    """A core for the servers, and one for load and receiver; the same where there is no other."""
    found = sorted(os.sched_getaffinity(0))
    return {found[0]}, {found[-1]}


@contextmanager
def module(name: str, arguments: Sequence[str], log: Path, on: Collection[int]) -> Iterator[Process]:
    """`python -m name SOCKET arguments…`, with a listening socket, pinned to these cores."""
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listening:
        handle = listening.fileno()
        port = listening.getsockname()[1]
        with _running([name, str(handle), *arguments], log, on, [handle]) as process:
            listening.close()  # so that nobody can connect to a server that has ended
            yield Process(port, log, process)


@contextmanager
def router(folder: Path, on: Collection[int]) -> Iterator[Process]:
    """`router serve` in a deployment's folder, pinned to these cores, listening."""
    log, data = folder / "log", folder / "data"
    with _running(["router", "serve", str(folder), "--port", "0", "--data", str(data)], log, on) as process:
        began = time.monotonic()
        while (found := address.read(data)) is None or found.pid != process.pid:
            Process(0, log, process).check()
            if time.monotonic() > began + START:
                raise UnstartedError(f"the router in {folder} does not listen after {START:g} s")
            time.sleep(0.02)
        yield Process(int(found.url.rpartition(":")[2]), log, process)


@contextmanager
def _running(
    command: Sequence[str], log: Path, on: Collection[int], handles: Collection[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, on)  # a child begins where its parent is, and so do all its threads
    try:
        with log.open("wb") as said:
            process = subprocess.Popen(  # noqa: S603 -- our own modules
                [sys.executable, "-m", *command], stdout=said, stderr=said, cwd=ROOT, pass_fds=handles
            )
    finally:
        os.sched_setaffinity(0, own)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
