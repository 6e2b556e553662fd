"""How a router and its targets fare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.config.names import QUARANTINE
from router.delivery.breaker import Breaker
from router.operations.answers import ConditionTold, Status, TargetStatus
from router.operations.moments import moment
from router.operations.order import waiting
from router.rules.model import Deployment
from router.store.base import Store, Tally


async def look(
    store: Store,
    deployment: Deployment | None,
    conditions: Mapping[str, Breaker] | None,
    complaints: Sequence[str],
) -> Status:
    """Look at everything.

    Args:
        store: what is held.
        deployment: what is routed by; None where nobody knows.
        conditions: how each target fares; None where no router runs.
        complaints: why senders are turned away.
    """
    tallies = await store.tally()
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


async def _blocked(store: Store, deployment: Deployment, tallies: Mapping[str, Tally]) -> dict[str, int]:
    """How many keys of each target wait for a dead letter. Only where there is one is anything looked at."""
    ordered = [spec for spec in deployment.targets.values() if spec.order_by is not None]
    return {
        spec.name: len((await waiting(store, spec)).blocked)
        for spec in ordered
        if spec.name in tallies and tallies[spec.name].dead
    }


def _target(name: str, tally: Tally, breaker: Breaker | None, *, gone: bool, blocked: int) -> TargetStatus:
    return TargetStatus(
        name=name,
        gone=gone,
        pending=tally.pending,
        retrying=tally.retrying,
        dead=tally.dead,
        condition=None if breaker is None else _condition(breaker),
        blocked=blocked,
    )


def _condition(breaker: Breaker) -> ConditionTold:
    return ConditionTold(
        state=breaker.mode.value,
        since=moment(breaker.since),
        reason=breaker.reason,
        probe=None if breaker.until is None else moment(breaker.until),
    )
