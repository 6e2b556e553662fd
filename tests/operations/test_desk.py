"""What operators do stands in the router's log."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from router.operations.desk import Desk, Live
from router.operations.questions import Drop, Redrive
from router.store.base import Settlement, State, Store
from tests.support import HandClock, record

pytestmark = pytest.mark.anyio


def live(clock: HandClock) -> Live:
    return Live(
        conditions=dict,
        complaints=list,
        accepted=lambda _sequences, _records: None,
        redriven=lambda: None,
        now=clock.now,
        sources=list,
        refused=str,
    )


async def dead(store: Store, count: int) -> list[str]:
    await store.append([record(number, "a") for number in range(count)])
    claimed = await store.claim("a", count)
    await store.settle([Settlement(delivery=one, state=State.DEAD) for one in claimed])
    return [one.id for one in claimed]


async def test_a_running_routers_log_has_what_was_redriven_and_dropped(
    store: Store, clock: HandClock
) -> None:
    first, *_ = await dead(store, 3)
    async with Desk(store, clock, lambda: None, live(clock)) as desk:
        with capture_logs() as lines:
            await desk.redrive(Redrive(ids=(first,)))
            await desk.drop(Drop(target="a", state=(State.DEAD,)))
    assert lines == [
        {
            "event": "deliveries.redriven",
            "log_level": "info",
            "count": 1,
            "targets": {"a": 1},
            "asked": {"ids": (first,)},
        },
        {
            "event": "deliveries.dropped",
            "log_level": "info",
            "count": 2,
            "targets": {"a": 2},
            "asked": {"target": "a", "state": (State.DEAD,)},
        },
    ]


async def test_what_changes_nothing_and_what_a_command_does_by_itself_is_not_in_it(
    store: Store, clock: HandClock
) -> None:
    await dead(store, 1)
    with capture_logs() as lines:
        async with Desk(store, clock, lambda: None, live(clock)) as desk:
            await desk.drop(Drop(dry=True))
        async with Desk(store, clock, lambda: None, None) as desk:
            await desk.drop(Drop())
            await desk.drop(Drop())
    assert lines == []
