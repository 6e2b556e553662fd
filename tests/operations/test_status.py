"""When a target is tried next, as operators are told: by its retries' times and by its circuit breaker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router.delivery.breaker import Breaker, Mode
from router.operations.desk import Desk
from router.operations.questions import DeliveryQuery
from router.operations.status import look
from router.store.base import Settlement, State, Store
from tests.operations.archive import at, kill, routed
from tests.operations.test_desk import live
from tests.operations.test_order import ordered
from tests.support import HandClock, record

pytestmark = pytest.mark.anyio

DEPLOYMENT = ordered("skip")
"""Its targets are `hook` and `audit`."""

CLOSED, HALF_OPEN = Breaker(), Breaker(Mode.HALF_OPEN, 1.0, "answered 404")


def opened(until: float) -> Breaker:
    return Breaker(Mode.OPEN, 1.0, "answered 404", until)


async def retried(store: Store, *, due: float) -> None:
    await store.append([record(0, "hook")])
    (one,) = await store.claim("hook", 1)
    await store.settle([Settlement(delivery=one, state=State.RETRYING, due=due)])


@pytest.mark.parametrize(
    ("breaker", "due_in", "expected"),
    [
        (CLOSED, 30.0, 30.0),
        (CLOSED, -30.0, 0.0),  # it is being tried, or will be at once
        (opened(60.0), 30.0, 60.0),
        (opened(60.0), 90.0, 90.0),
        (HALF_OPEN, 30.0, 30.0),
        (None, 30.0, 30.0),  # no router runs: what the store knows
        (None, -30.0, -30.0),
    ],
)
async def test_a_retry_is_made_when_it_is_due_and_its_target_may_be_tried(
    breaker: Breaker | None, due_in: float, expected: float, store: Store, clock: HandClock
) -> None:
    now = clock.now()
    await retried(store, due=now + due_in)
    if breaker is not None and breaker.until is not None:
        breaker = replace(breaker, until=now + breaker.until)
    found = await look(store, DEPLOYMENT, None if breaker is None else {"hook": breaker}, (), now)
    hook, audit = found.targets
    assert (hook.next_try, hook.next_try_in) == (at(now + expected), expected)
    assert (audit.next_try, audit.next_try_in) == (None, None)
    if breaker is not None and breaker.until is not None:
        assert hook.condition is not None
        assert hook.condition.probe_in == breaker.until - now


@pytest.mark.parametrize(("breaker", "expected"), [(opened(60.0), 60.0), (CLOSED, 0.0), (None, None)])
async def test_what_was_never_tried_is_as_soon_as_its_target_may_be(
    breaker: Breaker | None, expected: float | None, store: Store
) -> None:
    await store.append([record(0, "hook")])
    found = await look(store, DEPLOYMENT, None if breaker is None else {"hook": breaker}, (), 0.0)
    assert found.targets[0].next_try_in == expected


async def test_the_oldest_that_waits(store: Store, clock: HandClock) -> None:
    await store.append([record(number, "hook", received=clock.now() + number) for number in range(3)])
    (first,) = await store.claim("hook", 1)
    await store.settle([Settlement(delivery=first, state=State.DELIVERED)])
    hook, audit = (await look(store, DEPLOYMENT, {}, (), clock.now())).targets
    assert (hook.waiting_since, audit.waiting_since) == (at(clock.now() + 1), None)
    for one in await store.claim("hook", 2):
        await store.settle([Settlement(delivery=one, state=State.RETRYING, due=clock.now() + 9)])
    (hook, _) = (await look(store, DEPLOYMENT, {}, (), clock.now())).targets
    assert hook.waiting_since == at(clock.now() + 1)


async def test_nobody_tries_what_waits_for_a_target_that_is_gone(store: Store, clock: HandClock) -> None:
    await retried(store, due=clock.now())
    without = replace(DEPLOYMENT, targets={})
    (hook,) = (await look(store, without, {}, (), clock.now())).targets
    assert (hook.gone, hook.next_try) == (True, None)
    # Where nobody knows which targets there are, it may be there.
    (hook,) = (await look(store, None, None, (), clock.now())).targets
    assert hook.next_try_in == 0.0


async def test_nobody_says_that_what_a_dead_letter_blocks_is_tried_now(
    store: Store, clock: HandClock
) -> None:
    await store.append([routed(n, "hook", subject="a") for n in range(2)])
    await kill(store, "hook", 1)
    (hook, _) = (await look(store, ordered("block"), {"hook": CLOSED}, (), clock.now())).targets
    assert (hook.blocked, hook.pending, hook.next_try) == (1, 1, None)
    (hook, _) = (await look(store, ordered("skip"), {"hook": CLOSED}, (), clock.now())).targets
    assert (hook.blocked, hook.pending, hook.next_try_in) == (0, 1, 0.0)


@pytest.mark.parametrize(
    ("breaker", "paused"),
    [
        (CLOSED, []),
        (opened(60.0), ["open", "open", None]),
        (HALF_OPEN, ["half-open", None, None]),
    ],
)
async def test_a_delivery_is_paused_by_its_target_only_if_it_waits_for_that_alone(
    breaker: Breaker, paused: list[str | None], store: Store, clock: HandClock
) -> None:
    now = clock.now()
    await store.append([record(number, "hook") for number in range(3)])
    await store.append([record(3, "audit")])
    claimed = await store.claim("hook", 3)
    dues = [now - 1, now + 30, now + 90]
    await store.settle(
        [Settlement(one, State.RETRYING, due=due) for one, due in zip(claimed, dues, strict=True)]
    )
    if breaker.until is not None:
        breaker = replace(breaker, until=now + breaker.until)
    surroundings = replace(live(clock), conditions=lambda: {"hook": breaker, "audit": CLOSED})
    async with Desk(store, clock, lambda: DEPLOYMENT, surroundings) as desk:
        listed = (await desk.deliveries(DeliveryQuery())).deliveries
        told = [None if one.paused is None else one.paused.state for one in listed]
        assert told == [*(paused or [None] * 3), None]
        first = await desk.delivery(listed[0].id)
        assert first.paused == listed[0].paused
        (of_event,) = (await desk.event(listed[0].sequence)).deliveries
        assert of_event.paused == listed[0].paused
