"""A process that uses a store until it is killed: `python child.py FOLDER (hold | work)`.

`hold` opens the store and says so. `work` appends requests of three events from several tasks, delivers some
of them, lets old segments go all the time, and says what was acknowledged: a line is written only after the
store has answered, and `claimed` before anything is done with what was claimed.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import anyio

from router.clock import SystemClock
from router.store.base import Attempt, Settlement, State
from router.store.ledger import Limits
from router.store.sqlite import SqliteStore
from tests.store.support import record

PRODUCERS = 4
WORKERS = 2


def say(word: str, *numbers: int) -> None:
    sys.stdout.write(" ".join([word, *map(str, numbers)]) + "\n")
    sys.stdout.flush()


async def produce(store: SqliteStore, name: str) -> None:
    for number in itertools.count():
        request = [record("a", "b", name=f"{name}.{number}") for _ in range(3)]
        say("appended", *await store.append(request))


async def deliver(store: SqliteStore) -> None:
    attempt = Attempt(at=0, seconds=0)
    while True:
        batch = await store.claim("a", 2)
        say("claimed", *(delivery.sequence for delivery in batch))
        dead = [delivery for delivery in batch if delivery.sequence % 5 == 0]
        states = [State.DEAD if delivery in dead else State.DELIVERED for delivery in batch]
        await store.settle(
            [
                Settlement(delivery=delivery, state=state, attempt=attempt)
                for delivery, state in zip(batch, states, strict=True)
            ]
        )
        say("dead", *(delivery.sequence for delivery in dead))


async def trim(store: SqliteStore, clock: SystemClock) -> None:
    while True:
        await store.trim(clock.now(), 10**12)


async def main(folder: Path, work: str) -> None:
    clock = SystemClock()
    store = SqliteStore(folder, clock, Limits(bytes=100_000))
    say("open")
    if work == "hold":
        await anyio.sleep_forever()
    async with anyio.create_task_group() as tasks:
        for number in range(PRODUCERS):
            tasks.start_soon(produce, store, f"{clock.now()}.{number}")
        for _ in range(WORKERS):
            tasks.start_soon(deliver, store)
        tasks.start_soon(trim, store, clock)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
