"""How a router and its targets fare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from router.config.names import QUARANTINE
from router.delivery.breaker import Breaker, Mode
from router.operations.answers import ConditionTold, DeliverySummary, Status, TargetStatus
from router.operations.deliveries import is_readable
from router.operations.moments import moment
from router.operations.order import waiting
from router.rules.model import Deployment
from router.store.base import State, Store, Tally

D = TypeVar("D", bound=DeliverySummary)


async def look(
    store: Store,
    deployment: Deployment | None,
    conditions: Mapping[str, Breaker] | None,
    complaints: Sequence[str],
    now: float,
) -> Status:
    """Look at everything.

    Args:
        store: what is held.
        deployment: what is routed by; None where nobody knows.
        conditions: how each target fares; None where no router runs.
        complaints: why senders are turned away.
        now: the time by which retries are due, seconds since the epoch.
    """
    tallies = await store.tally()
    upcoming = await store.upcoming()
    extent = await store.extent()
    named = () if deployment is None else tuple(deployment.targets)
    blocked = {} if deployment is None else await _blocked(store, deployment, tallies)
    targets = [
        _target(
            name,
            tallies.get(name, Tally()),
            (conditions or {}).get(name),
            gone=name not in named and name != QUARANTINE,
            blocked=blocked.get(name, 0),
            due=upcoming.get(name) if deployment is None or name in named else None,
            waiting_since=await _oldest(store, name) if _waits(tallies.get(name, Tally())) else None,
            now=now,
        )
        for name in dict.fromkeys((*named, *sorted(tallies)))
    ]
    return Status(
        running=conditions is not None,
        version=None if deployment is None else deployment.version,
        rules=0 if deployment is None else len(deployment.rules),
        ready=tuple(complaints),
        first=extent.first,
        last=extent.last,
        since=None if extent.since is None else moment(extent.since),
        bytes=extent.bytes,
        targets=tuple(targets),
    )


def _waits(tally: Tally) -> bool:
    return bool(tally.pending + tally.retrying)


async def _oldest(store: Store, target: str) -> float | None:
    """When the oldest event that waits for a target was accepted, seconds since the epoch."""
    found = await store.standing({State.PENDING, State.RETRYING}, target, None, 1)
    return found[0].delivery.received if found and is_readable(found[0]) else None


async def _blocked(store: Store, deployment: Deployment, tallies: Mapping[str, Tally]) -> dict[str, int]:
    """How many keys of each target wait for a dead letter. Only where there is one is anything looked at."""
    ordered = [spec for spec in deployment.targets.values() if spec.order_by is not None]
    return {
        spec.name: len((await waiting(store, spec)).blocked)
        for spec in ordered
        if spec.name in tallies and tallies[spec.name].dead
    }


def paused(deliveries: Iterable[D], conditions: Mapping[str, Breaker], now: float) -> tuple[D, ...]:
    """Deliveries of a list, in its order, with how their target fares where that keeps them waiting."""

    def marked(one: D) -> D:
        breaker = conditions.get(one.target)
        if breaker is None or breaker.mode is Mode.CLOSED:
            return one
        is_due = one.at is None or one.at < moment(now if breaker.until is None else breaker.until)
        waits = one.state is State.PENDING or (one.state is State.RETRYING and is_due)
        return msgspec.structs.replace(one, paused=_condition(breaker, now)) if waits else one

    return tuple(map(marked, deliveries))


def _target(
    name: str,
    tally: Tally,
    breaker: Breaker | None,
    *,
    gone: bool,
    blocked: int,
    due: float | None,
    waiting_since: float | None,
    now: float,
) -> TargetStatus:
    following = _next_try(tally, due, breaker, now, blocked)
    return TargetStatus(
        name=name,
        gone=gone,
        pending=tally.pending,
        retrying=tally.retrying,
        dead=tally.dead,
        condition=None if breaker is None else _condition(breaker, now),
        blocked=blocked,
        next_try=None if following is None else moment(following),
        next_try_in=None if following is None else following - now,
        waiting_since=None if waiting_since is None else moment(waiting_since),
    )


def _next_try(
    tally: Tally, due: float | None, breaker: Breaker | None, now: float, blocked: int
) -> float | None:
    """See `TargetStatus.next_try`; seconds since the epoch."""
    if breaker is None:
        return due
    first = now if tally.pending else due
    if blocked and first is not None and first <= now:
        return None  # it is most likely of a key that waits for an operator
    return None if first is None else max(first, now, breaker.until or now)


def _condition(breaker: Breaker, now: float) -> ConditionTold:
    return ConditionTold(
        state=breaker.mode.value,
        since=moment(breaker.since),
        reason=breaker.reason,
        probe=None if breaker.until is None else moment(breaker.until),
        probe_in=None if breaker.until is None else breaker.until - now,
        failing_since=moment(breaker.failing) if breaker.failing else None,
    )
