"""How a router and its targets fare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.delivery.breaker import Breaker
from router.operations.answers import ConditionTold, Status, TargetStatus
from router.operations.moments import moment
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
    targets = [
        _target(name, name not in named, tallies.get(name, Tally()), (conditions or {}).get(name))
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


def _target(name: str, gone: bool, tally: Tally, breaker: Breaker | None) -> TargetStatus:  # noqa: FBT001
    return TargetStatus(
        name=name,
        gone=gone,
        pending=tally.pending,
        retrying=tally.retrying,
        dead=tally.dead,
        condition=None if breaker is None else _condition(breaker),
    )


def _condition(breaker: Breaker) -> ConditionTold:
    return ConditionTold(
        state=breaker.mode.value,
        since=moment(breaker.since),
        reason=breaker.reason,
        probe=None if breaker.until is None else moment(breaker.until),
    )
