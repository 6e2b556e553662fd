"""Targets exchanged under load, with a real store, HTTP targets and a receiver: nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import structlog

from router.clock import SystemClock
from router.delivery.engine import Engine, Way
from router.delivery.retry import Policy
from router.events.json_format import decode, decode_batch
from router.store.sqlite import SqliteStore
from router.targets.base import Surroundings
from router.targets.http import HttpKind
from router.targets.http_settings import HttpSettings
from tests.delivery.house import Watcher, as_it_is
from tests.receiver import Answer, Receiver, Request
from tests.support import record

pytestmark = pytest.mark.anyio

POLICY = Policy(first=0.05, most=0.2)
EVENTS = 600


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@asynccontextmanager
async def way(url: str, *, concurrency: int = 8, batch: int | None = None) -> AsyncIterator[Way]:
    settings = HttpSettings.model_validate({"url": url} | ({"batch": {"size": batch}} if batch else {}))
    async with HttpKind().open(settings, Surroundings("a", Path(), loopback=True)) as target:
        yield Way(target, POLICY, concurrency)


def ids(request: Request) -> list[str]:
    batch = "batch" in request.headers["content-type"]
    return [event.id for event in (decode_batch(request.body) if batch else [decode(request.body)])]


async def test_nothing_is_lost_nor_sent_twice_while_targets_come_and_go(
    tmp_path: Path, receiver: Receiver
) -> None:
    turns = iter(range(10**9))
    receiver.decide = lambda _: Answer(503 if next(turns) % 10 == 0 else 200)
    store = SqliteStore(tmp_path, SystemClock())
    watcher = Watcher()
    engine = Engine(
        store=store, ways={}, render=as_it_is, clock=SystemClock(), chance=lambda: 0.5, observer=watcher
    )

    async def accept() -> None:
        for first in range(0, EVENTS, 20):
            await store.append([record(number, "a") for number in range(first, first + 20)])
            await anyio.sleep(0.01)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(engine.run, 10.0)
            group.start_soon(accept)
            for number in range(8):
                url = f"{receiver.url}/{number}"
                async with way(url, concurrency=1 + number, batch=10 * number or None) as next_way:
                    await engine.reload({"a": next_way})
                    await anyio.sleep(0.03)
                    await engine.reload({})  # the old one is unused now, and may be closed
            async with way(f"{receiver.url}/last") as last:
                await engine.reload({"a": last})
                await watcher.wait_for_delivered(EVENTS)
                engine.stop()
    assert await store.tally() == {}
    await store.close()
    answered = iter(range(10**9))
    arrived = Counter(name for request in receiver.requests if next(answered) % 10 for name in ids(request))
    assert arrived == Counter(map(str, range(EVENTS)))
    assert len({request.target for request in receiver.requests}) > 2


async def test_an_expired_token_costs_a_backlog_a_few_requests_and_no_delivery(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.decide = lambda _: Answer(401)
    store = SqliteStore(tmp_path, SystemClock())
    watcher = Watcher()
    await store.append([record(number, "a") for number in range(EVENTS)])
    async with way(receiver.url) as expired, way(receiver.url) as renewed:
        engine = Engine(
            store=store,
            ways={"a": expired},
            render=as_it_is,
            clock=SystemClock(),
            chance=lambda: 0.5,
            observer=watcher,
        )
        with anyio.fail_after(60), structlog.testing.capture_logs() as said:
            async with anyio.create_task_group() as group:
                group.start_soon(engine.run, 10.0)
                await receiver.arrived(8 + 3)  # all workers at once, and three probes
                refused = len(receiver.requests)
                receiver.decide = lambda _: Answer(200)
                await engine.reload({"a": renewed})
                await watcher.wait_for_delivered(EVENTS)
                engine.stop()
    assert refused < 30
    assert await store.tally() == {}
    await store.close()
    told = [line["error"] for line in said if line["event"] == "target.broken"]
    assert told == ["answered 401 Unauthorized: it does not take the router's credentials; renew them"]
