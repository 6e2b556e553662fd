"""A deployment with a real receiver, whose router runs or does not, and commands about it."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.client import post, request
from tests.process import RouterProcess
from tests.receiver import Answer, Receiver

RULES = """
rules:
  - {{name: orders, match: {{type: order.*}}, targets: [hook]}}
  - {{name: again, match: {{replayname: [{{exists: true}}]}}, targets: [spare]}}
targets:
  hook: {{http: {{url: "{url}/hook"}}, retry: {{first: 1h, most: 1h}}}}
  spare: {{http: {{url: "{url}/spare"}}}}
"""

PATIENCE = 20.0
"""Seconds for what is waited for, on a machine that is busy with other tests."""


def command(
    *words: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None, said: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "router", *map(str, words)],
        cwd=cwd,
        env=dict(os.environ) | {"TZ": "UTC", "COLUMNS": "80"} | dict(environ or {}),
        input=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class House:
    """A deployment.

    Attributes:
        folder: where it is.
        receiver: where its targets `hook` and `spare` are.
        running: whether its router runs while commands are given (`settle`).
    """

    def __init__(self, folder: Path, receiver: Receiver, *, running: bool) -> None:
        self.folder = folder
        self.receiver = receiver
        self.running = running
        self._process: RouterProcess | None = None
        self.write(RULES)
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def process(self) -> RouterProcess:
        assert self._process is not None
        return self._process

    def write(self, rules: str) -> None:
        """Put other rules there."""
        (self.folder / "router.yml").write_text(rules.format(url=self.receiver.url))

    def start(self) -> None:
        """Have the router run."""
        if self._process is None:
            self._process = RouterProcess([self.folder], self.data)

    def stop(self) -> None:
        """End the router, if it runs."""
        if self._process is not None:
            assert self._process.terminate() == 0
            self._process = None

    def kill(self) -> None:
        """SIGKILL it."""
        self.process.kill()
        self._process = None

    def settle(self) -> None:
        """What comes next is asked of a router that runs, or does not."""
        if not self.running:
            self.stop()

    def end(self) -> None:
        """Leave nothing behind."""
        if self._process is not None:
            self.kill()

    def send(self, count: int, type_: str = "order.new", first: int = 0, **more: str) -> None:
        """Send events with the ids `first` and following, and with `more` attributes, in one request."""
        events = [
            {"specversion": "1.0", "id": str(n), "source": "/shop", "type": type_, "data": {"n": n}} | more
            for n in range(first, first + count)
        ]
        reply = post(
            f"{self.process.url}/events", json.dumps(events).encode(), "application/cloudevents-batch+json"
        )
        assert reply.status == 202, reply

    def refuse(self, status: int = 400, body: bytes = b"no such hook") -> None:
        """From now on, the receiver takes nothing."""
        self.receiver.decide = lambda _: Answer(status, body=body)

    def mend(self) -> None:
        """From now on, the receiver takes everything."""
        self.receiver.decide = lambda _: Answer()

    def wait_for(self, count: int, **query: str) -> list[dict[str, Any]]:
        """Ask the running router until so many deliveries fit; return them."""
        words = "&".join(f"{name}={value}" for name, value in query.items())
        deadline = time.monotonic() + PATIENCE
        while True:
            reply = request("GET", f"{self.process.url}/api/v1/deliveries?{words}")
            found: list[dict[str, Any]] = json.loads(reply.body)["deliveries"]
            if len(found) == count:
                return found
            assert time.monotonic() < deadline, found

    def dead_letters(self, count: int, type_: str = "order.new", first: int = 0) -> list[str]:
        """Have events end as dead letters of `hook`; all dead letters' ids."""
        before = len(self.wait_for_any("dead"))
        self.refuse()
        self.send(count, type_, first)
        found = self.wait_for(before + count, state="dead")
        return [str(one["id"]) for one in found]

    def wait_for_any(self, state: str) -> list[dict[str, Any]]:
        """The deliveries that stand there now."""
        reply = request("GET", f"{self.process.url}/api/v1/deliveries?state={state}")
        found: list[dict[str, Any]] = json.loads(reply.body)["deliveries"]
        return found

    def command(
        self, *words: str | Path, status: int = 0, said: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the deployment's folder; it must end with `status`."""
        done = command(*words, cwd=self.folder, said=said)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def told(self, *words: str | Path, status: int = 0) -> Any:
        """What a command tells as JSON."""
        return json.loads(self.command(*words, "--json", status=status).stdout)

    def arrivals(self, path: str) -> list[dict[str, Any]]:
        """The events that came to the receiver at a path, with their keys as `key`."""
        return [
            json.loads(one.body) | {"key": one.headers["idempotency-key"]}
            for one in self.receiver.requests
            if one.target == path
        ]


def at_terminal(
    house: House, answer: str, *words: str, meanwhile: Callable[[], None] = lambda: None
) -> tuple[int, str]:
    """Run a command at a terminal, where somebody answers its question, and does something before that."""
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "router", *words], cwd=house.folder, stdin=inner, stdout=inner, stderr=inner
    )
    os.close(inner)
    said = b""
    deadline = time.monotonic() + PATIENCE
    answered = False
    while select.select([outer], [], [], max(deadline - time.monotonic(), 0))[0]:
        try:
            said += os.read(outer, 4096)
        except OSError:  # the other side has gone
            break
        if not answered and b"[y/N]" in said:
            meanwhile()
            os.write(outer, answer.encode())
            answered = True
    os.close(outer)
    return process.wait(PATIENCE), said.decode()
