"""SIGKILL at random moments under load: what was answered with success arrives everywhere it should."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from router.targets.sender import SendError, open_sender
from tests.process import RouterProcess
from tests.receiver import Answer, Receiver, Request

ROUNDS = 20
A_ROUND = 1_150
SENDERS = 32

RULES = """
rules:
  - {name: all, match: {type: "*"}, targets: [hook, file]}
  - {name: odd, match: {data: {odd: true}}, targets: [hook, odd]}
targets:
  hook:
    http: {url: "%(url)s/hook"}
    retry: {first: 50ms, most: 500ms}
  odd:
    http: {url: "%(url)s/odd", format: binary}
    retry: {first: 50ms, most: 500ms}
  file:
    file: {path: all.jsonl}
"""


def event(number: int) -> bytes:
    payload = {"n": number, "odd": number % 2 == 1, "filler": "x" * 600}
    return json.dumps(
        {"specversion": "1.0", "id": str(number), "source": "/load", "type": "load.test", "data": payload}
    ).encode()


class Load:
    """Sends numbered events until told to stop, and remembers which were accepted."""

    def __init__(self) -> None:
        self.accepted: set[int] = set()
        self._next = 0

    async def run(self, router: RouterProcess, kill_after: int) -> None:
        """Send until `kill_after` more are accepted, then kill the router with requests under way."""
        goal = len(self.accepted) + kill_after
        async with open_sender("load") as sender, anyio.create_task_group() as group:

            async def send() -> None:
                while True:
                    number = self._next = self._next + 1
                    try:
                        reply = await sender.send(
                            "POST",
                            f"{router.url}/events",
                            {"content-type": "application/cloudevents+json"},
                            event(number),
                            10.0,
                        )
                    except SendError:
                        return  # the router is dead; nobody was promised anything
                    assert reply.status == 202, reply
                    self.accepted.add(number)
                    if len(self.accepted) == goal:
                        router.kill()

            for _ in range(SENDERS):
                group.start_soon(send)


def delivered(requests: list[Request], path: str) -> Counter[int]:
    got: Counter[int] = Counter()
    for request in requests:
        if request.target == path:
            body = json.loads(request.body)
            got[body["n"] if path == "/odd" else body["data"]["n"]] += 1
    return got


def written(file: Path) -> Counter[int]:
    return Counter(json.loads(line)["event"]["data"]["n"] for line in file.read_text().splitlines())


def missing(accepted: set[int], requests: list[Request]) -> bool:
    odd = {number for number in accepted if number % 2}
    return bool(accepted - delivered(requests, "/hook").keys() or odd - delivered(requests, "/odd").keys())


def test_nothing_accepted_is_lost(
    receiver: Receiver,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(20_261_122)
    refused: Counter[bytes] = Counter()

    def decide(request: Request) -> Answer:
        if chance.random() < 0.02:
            refused[request.body] += 1
            return Answer(chance.choice([500, 503, 429]))
        return Answer()

    receiver.decide = decide
    rules = tmp_path / "router.yml"
    rules.write_text(RULES % {"url": receiver.url})
    data = tmp_path / "data"
    load = Load()
    for _ in range(ROUNDS):
        with RouterProcess([rules], data) as router:
            anyio.run(load.run, router, A_ROUND + chance.randrange(-400, 401))
    odd = {number for number in load.accepted if number % 2}
    assert len(load.accepted) >= 20_000

    with RouterProcess([rules], data) as router:
        while missing(load.accepted, requests := receiver.requests):
            receiver.wait_for(len(requests) + 1, timeout=60)
        give_up = time.monotonic() + 60
        while load.accepted - written(data / "all.jsonl").keys():
            assert time.monotonic() < give_up, "the file lacks events"
        assert router.terminate() == 0

    hook, odds = delivered(receiver.requests, "/hook"), delivered(receiver.requests, "/odd")
    file = written(data / "all.jsonl")
    assert not load.accepted - hook.keys()
    assert not odd - odds.keys()
    assert not load.accepted - file.keys()
    again = sum((hook + odds).values()) - len(hook) - len(odds) - sum(refused.values())
    tally = (
        f"{ROUNDS} SIGKILLs, {len(load.accepted)} events accepted, 0 missing; "
        f"delivered more than once: {again} over HTTP, {sum(file.values()) - len(file)} lines of the file"
    )
    record_property("tally", tally)
    with capsys.disabled():
        print(f"\n{tally}")  # noqa: T201 -- the tally is what this test is run for
