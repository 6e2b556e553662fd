"""What a crash interrupted after its claim was written down is older than what was never tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.store.base import Settlement, State
from router.store.sqlite import SqliteStore
from tests.delivery.clock import JumpingClock
from tests.delivery.house import House
from tests.support import ScriptedTarget, record

pytestmark = pytest.mark.anyio


async def test_it_goes_first_at_the_next_start(tmp_path: Path) -> None:
    clock = JumpingClock()
    store = SqliteStore(tmp_path, clock)
    sequences = await store.append([record(number, "a") for number in range(20)])
    interrupted = await store.claim("a", 5)
    now = clock.now()
    await store.settle([Settlement(delivery=one, state=State.RETRYING, due=now) for one in interrupted])
    await store.close()

    target = ScriptedTarget(batch=3)
    store = SqliteStore(tmp_path, clock)
    async with House({"a": target}, store=store, clock=clock).running():
        seen = await target.wait_for(20)
    await store.close()
    assert [message.sequence for message in seen] == list(sequences)
