"""Where a fault is played: a router of its own, its targets, its senders, and the oracle over all of them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from router.operations.address import read
from tests.acceptance.harness.connection import Connection
from tests.acceptance.harness.fault import Fault, Form
from tests.acceptance.harness.load import ACCEPTED, Load
from tests.acceptance.harness.oracle import ORDERED, TARGETS, Oracle
from tests.acceptance.harness.witness import Manner, Witness, read_lines
from tests.client import Reply, request
from tests.process import RouterProcess

HTTP_TARGETS = tuple(target for target in TARGETS if target != "file")

FREE = tuple(target for target in HTTP_TARGETS if target != ORDERED)
"""Those of them that deliver in any order."""

PATIENCE = 300.0
"""Seconds within which everything that was promised arrives, once the fault is over."""

_RETRY = {"first": "20ms", "most": "200ms", "attempts": 1_000_000}


T = TypeVar("T")


class Stage:
    """A router with everything around it.

    Attributes:
        fault: what is played.
        form: how much of it.
        data: the router's data folder.
        deployment: the folder with its configuration.
        environ: what its environment has beside ours.
        kills: how often it was killed.
    """

    def __init__(self, fault: Fault, form: Form, folder: Path, seed: int, deadline: float = math.inf) -> None:
        self.fault = fault
        self.form = form
        self.data = folder / "data"
        self.kills = 0
        self.oracle = Oracle(seed, fault.poison)
        self.oracle.scene = fault.name
        self.witness = Witness(self.oracle)
        self.load = Load(self.oracle)
        self.environ: dict[str, str] = {}
        self.deployment = folder / "deployment"
        self._deadline = deadline
        self._router: RouterProcess | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.deployment.mkdir()
        self._stack.enter_context(self.witness)
        self.deploy(self.rules(), self.targets())
        self._stack.enter_context(self.load)
        return self

    def __exit__(self, *_: object) -> None:
        if self._router is not None:
            self._router.__exit__()
        self._stack.close()

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Enter a context for as long as the stage is there."""
        return self._stack.enter_context(context)

    def rounds(self) -> Iterator[int]:
        """As many as the fault has, or there is time for."""
        for number in range(self.fault.rounds.of(self.form)):
            if time.monotonic() < self._deadline:
                self.oracle.scene = f"{self.fault.name}, round {number + 1}"
                yield number

    @property
    def troubled(self) -> tuple[str, ...]:
        """The targets that behave as the fault has it: its own, and the ordered one."""
        return (self.fault.target, ORDERED)

    def misbehave(self, manners: list[Manner]) -> None:
        """From now on they answer like this, each in its turn."""
        for target in self.troubled:
            self.witness.behave(target, manners)

    def recover(self) -> None:
        """From now on they work."""
        for target in self.troubled:
            self.witness.recover(target)

    # -- its configuration ----------------------------------------------------------------------------------

    def rules(self) -> list[dict[str, Any]]:
        """One for each target; an event names in its data where it wants to go."""
        return [
            {"name": f"to-{name}", "match": {"source": "/oracle", "data": {"to": name}}, "targets": [name]}
            for name in TARGETS
        ]

    def targets(self) -> dict[str, dict[str, Any]]:
        """All, as the fault wants them; what it wants of its own target, it wants of the ordered one."""
        url = self.witness.url
        usual: dict[str, dict[str, Any]] = {
            "hook": {"http": {"url": f"{url}/hook"}, "retry": _RETRY},
            "raw": {"http": {"url": f"{url}/raw", "format": "binary"}, "retry": _RETRY},
            "batch": {"http": {"url": f"{url}/batch", "batch": {"size": 100}}, "retry": _RETRY},
            "file": {"file": {"path": "all.jsonl"}, "retry": _RETRY},
            ORDERED: {"http": {"url": f"{url}/{ORDERED}"}, "retry": _RETRY, "order_by": "data.key"},
        }
        wanted = self.fault.targets
        usual[ORDERED] = _merged(usual[ORDERED], wanted.get(self.fault.target, {}))
        return {name: _merged(target, wanted.get(name, {})) for name, target in usual.items()}

    def deploy(self, rules: Sequence[Mapping[str, Any]], targets: Mapping[str, Any]) -> None:
        """Write the configuration, at once and whole."""
        settings = {"settings": dict(self.fault.settings)} if self.fault.settings else {}
        text = json.dumps({"rules": rules, "targets": targets, **settings})  # JSON is YAML
        fresh = self.deployment / "router.yml.new"
        fresh.write_text(text)
        fresh.rename(self.deployment / "router.yml")

    # -- its router -----------------------------------------------------------------------------------------

    @property
    def router(self) -> RouterProcess:
        """The one that runs."""
        assert self._router is not None
        return self._router

    def start(self) -> RouterProcess:
        """Start it, and send there what is to be sent."""
        self.oracle.life += 1
        self._router = RouterProcess([self.deployment], self.data, self.environ)
        self.load.point_at(self._router.url)
        return self._router

    def last_words(self) -> str:
        """The end of the router's log."""
        return "" if self._router is None else str(self._router.log[-8:])

    def kill(self) -> None:
        """SIGKILL, now; from any thread. `mourn` waits for the end."""
        os.kill(self.router.pid, signal.SIGKILL)

    def mourn(self, timeout: float = 60.0) -> None:
        """Wait until it is dead of `kill`."""
        status = self.router.wait(timeout)
        if status != -signal.SIGKILL:
            self.oracle.complain("ended by itself", f"status {status}, {self.router.log[-3:]}")
        self.kills += 1

    def reload(self, rules: Sequence[Mapping[str, Any]], targets: Mapping[str, Any]) -> None:
        """Write another configuration and wait until it runs."""
        before = sum(line.get("event") == "router.reloaded" for line in self.router.log)
        self.deploy(rules, targets)
        self.router.wait_for_log("router.reloaded", 60.0, before + 1)

    def reread(self) -> float:
        """Have it read its configuration again; returns when it was done, by the router's clock."""
        before = sum(line.get("event") == "router.reloaded" for line in self.router.log)
        self.router.hang_up()
        said = self.router.wait_for_log("router.reloaded", 60.0, before + 1)
        return datetime.fromisoformat(said["timestamp"]).timestamp()

    def ask(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """Ask `/api/v1`, as an operator's command does."""
        address = read(self.data)
        assert address is not None
        url = f"{address.url}/api/v1{path}" + (f"?{urlencode(query)}" if query else "")
        content = b"" if body is None else json.dumps(body).encode()
        reply = request(method, url, content, {"authorization": f"Bearer {address.token}"}, 60.0)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Until /readyz says so, though nobody sends anything: who is asked first sends nobody there."""
        give_up = time.monotonic() + timeout
        while (reply := self.ready()).status != 200:
            if time.monotonic() > give_up:
                return self.oracle.complain("not ready again", str(reply))
        return None

    def change(self, what: str, **selection: object) -> int:
        """Redrive or drop deliveries; returns how many."""
        count, after = 0, dict[str, object]()
        while True:
            changed: dict[str, Any] = self.ask("POST", f"/deliveries/{what}", {**selection, **after})
            count += int(changed["count"])
            if changed["next"] is None:
                return count
            after = {"after": changed["next"]}

    def ready(self) -> Reply:
        """What /readyz says."""
        return request("GET", f"{self.router.url}/readyz")

    def send_all(self) -> None:
        """Send one round's events; return when all are accepted."""
        events = self.fault.events.of(self.form)
        goal = self.oracle.promised + events
        self.load.allow(events)
        self.oracle.wait_until_promised(goal)

    # -- the end of a fault ---------------------------------------------------------------------------------

    def settle(self, patience: float = PATIENCE) -> None:
        """Everything promised arrives, a fresh event flows, and the router's accounts are the oracle's."""
        self.load.stop()
        self.oracle.wait_until_arrived(HTTP_TARGETS, patience)
        self._send_fresh()
        self.oracle.wait_until_arrived(HTTP_TARGETS, patience)
        self.wait_until_waiting({}, patience)
        self.bury()
        if (status := self.router.terminate()) != 0:
            self.oracle.complain("ended badly", f"status {status}, {self.router.log[-3:]}")

    def read_file(self) -> None:
        """Tell the oracle what the file target has written, once no router is there to write more."""
        if self._router is not None:
            self._router.__exit__()
        if (file := self.data / "all.jsonl").exists():
            read_lines(file, self.oracle)

    def wait_until_waiting(self, wanted: Mapping[str, int], timeout: float = PATIENCE) -> None:
        """Until so many deliveries wait. Asks again and again: the router is at work meanwhile."""
        give_up = time.monotonic() + timeout
        while (waiting := self.waiting()) != wanted:
            if time.monotonic() > give_up:
                raise TimeoutError(
                    f"waited {timeout:g} s for {wanted or 'nothing'} to wait; there is {waiting}"
                )

    def bury(self) -> int:
        """Tell the oracle of the dead letters; returns how many there are."""
        count = 0
        for target in TARGETS:
            for number in self.listed(target, state="dead"):
                self.oracle.bury(target, number)
                count += 1
        return count

    def listed(self, target: str, **query: object) -> list[int]:
        """The events whose deliveries stand so at a target."""
        found: list[int] = []
        query |= {"target": target, "most": 1000}
        while True:
            page = self.ask("GET", "/deliveries", **query)
            found += [int(one["event_id"]) for one in page["deliveries"]]
            if page["next"] is None:
                return found
            query["after"] = page["next"]

    def waiting(self) -> dict[str, int]:
        """How many deliveries wait for each target, where there are any."""
        told = self.ask("GET", "/status")["targets"]
        waiting = {target["name"]: target["pending"] + target["retrying"] for target in told}
        return {name: count for name, count in waiting.items() if count}

    def _send_fresh(self) -> None:
        numbers = self.oracle.issue_for_all()
        with contextlib.closing(Connection(self.router.url)) as connection:
            connection.send(self.oracle.envelope(numbers[0]), "application/cloudevents+json")
            status = connection.status()
        if status == ACCEPTED:
            self.oracle.promise(numbers)
        else:
            self.oracle.complain("no fresh event", f"answered {status}, {self.router.log[-3:]}")


def _merged(usual: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(usual)
    for key, value in other.items():
        merged[key] = _merged(usual.get(key, {}), value) if isinstance(value, Mapping) else value
    return merged
