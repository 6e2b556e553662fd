"""SIGKILL, again and again, at a router that writes audit files under load; and what is in these at last."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
from watchfiles import watch

from router.audit import keys
from router.audit.checkpoints import Checkpoint, found_in
from router.audit.streams import lines
from router.audit.verify import Verdict, in_order, verify
from router.targets.sender import SendError, open_sender
from tests.process import RouterProcess

SENDERS = 24

RULES = """
rules:
  - {name: all, match: {type: load.test}, targets: [chained, plain]}
targets:
  chained:
    file:
      path: chained/{date}.jsonl
      rotate: {size: 300kB}
      compress: zstd
      chain: {key: {file: audit.key}, checkpoints: checkpoints, every: 500}
  plain: {file: {path: plain.jsonl, rotate: {size: 1MB}, compress: gzip}}
  checkpoints: {file: {path: checkpoints.jsonl}}
"""


def event(number: int) -> bytes:
    payload = {"n": number, "filler": "x" * 300}
    return json.dumps(
        {"specversion": "1.0", "id": str(number), "source": "/load", "type": "load.test", "data": payload}
    ).encode()


@dataclass(frozen=True, slots=True)
class Found:
    """What a file target has written.

    Attributes:
        missing: accepted events that are not there.
        doubled: deliveries that are there again.
        disordered: records whose event was accepted before that of the one before.
    """

    records: int
    missing: int
    doubled: int
    disordered: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it all."""

    kills: int
    accepted: int
    chained: Found
    plain: Found
    verdict: Verdict

    def __str__(self) -> str:
        told = "; ".join(
            f"{name}: {found.records} records, {found.missing} missing, {found.doubled} doubled, "
            f"{found.disordered} out of order"
            for name, found in (("chained", self.chained), ("plain", self.plain))
        )
        chain = "verifies" if self.verdict.fault is None else f"is broken: {self.verdict.fault}"
        return (
            f"{self.kills} SIGKILLs, {self.accepted} events accepted; {told}; the chain {chain}, "
            f"{self.verdict.agreed} checkpoints agree, up to record {self.verdict.covered}"
        )


class Load:
    """Sends numbered events, and remembers which were accepted."""

    def __init__(self) -> None:
        self.accepted: set[int] = set()
        self._next = 0

    async def until_killed(self, router: RouterProcess, after: float) -> None:
        """Send, and kill the router `after` so many seconds."""
        async with open_sender("load") as sender, anyio.create_task_group() as group:

            async def send() -> None:
                headers = {"content-type": "application/cloudevents+json"}
                while True:
                    number = self._next = self._next + 1
                    try:
                        reply = await sender.send(
                            "POST", f"{router.url}/events", headers, event(number), 10.0
                        )
                    except SendError:
                        return  # the router is dead; nobody was promised anything
                    assert reply.status == 202, reply
                    self.accepted.add(number)

            for _ in range(SENDERS):
                group.start_soon(send)
            await anyio.sleep(after)
            router.kill()


def run(folder: Path, kills: int, seed: int, told: Callable[[str], None] = lambda _: None) -> Result:
    """Kill a router so often at random moments; then let it finish, and look."""
    chance = random.Random(seed)
    keys.make(folder / "audit.key")
    rules = folder / "router.yml"
    rules.write_text(RULES)
    data = folder / "data"
    load = Load()
    for number in range(kills):
        with RouterProcess([rules], data) as router:
            anyio.run(load.until_killed, router, chance.uniform(0.02, 0.6))
        told(f"{number + 1} of {kills} kills, {len(load.accepted)} events accepted")
    with RouterProcess([rules], data) as router:
        _wait_until_written(data, load.accepted)
        assert router.terminate() == 0
    chained = _files(data / "chained", "*.jsonl*")
    verdict = verify(chained, _checkpoints(data / "checkpoints.jsonl"))
    plain = _files(data, "plain*.jsonl*")
    return Result(
        kills, len(load.accepted), _look(chained, load.accepted), _look(plain, load.accepted), verdict
    )


def _files(folder: Path, pattern: str) -> list[Path]:
    """What a target has written, oldest first, without what lies beside."""
    found = [path for path in folder.glob(pattern) if path.suffix in {".jsonl", ".zst", ".gz"}]
    return sorted(in_order(found), key=lambda path: (path.name.count(".") == 1, path.name))


def _wait_until_written(data: Path, accepted: set[int]) -> None:
    give_up = time.monotonic() + 60
    for _ in watch(data, debounce=200, rust_timeout=200, yield_on_timeout=True):
        if not _misses_some(data, accepted):
            return
        assert time.monotonic() < give_up, "events are missing"


def _misses_some(data: Path, accepted: set[int]) -> bool:
    """Whether something is still to be written; the router that writes packs and renames files meanwhile."""
    try:
        return any(
            _look(files, accepted).missing
            for files in (_files(data / "chained", "*.jsonl*"), _files(data, "plain*.jsonl*"))
        )
    except FileNotFoundError:
        return True


def _records(files: list[Path]) -> Iterator[dict[str, object]]:
    for path in files:
        with path.open("rb") as file:
            yield from map(json.loads, lines(path.name, file))


def _look(files: list[Path], accepted: set[int]) -> Found:
    ids: set[object] = set()
    numbers: set[int] = set()
    records = doubled = disordered = last = 0
    for record in _records(files):
        records += 1
        doubled += record["id"] in ids
        ids.add(record["id"])
        sequence = int(str(record["sequence"]))
        disordered += sequence < last
        last = sequence
        found: object = record["event"]
        assert isinstance(found, dict)
        numbers.add(found["data"]["n"])
    return Found(records, len(accepted - numbers), doubled, disordered)


def _checkpoints(path: Path) -> list[Checkpoint]:
    with path.open("rb") as file:
        return list(found_in(file))
