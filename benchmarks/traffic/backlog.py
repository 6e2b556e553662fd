"""What a router weighs while many events wait for a target that is down."""

from __future__ import annotations

import asyncio

from benchmarks.traffic.deployments import http, two_rules
from benchmarks.traffic.load import Load
from benchmarks.traffic.race import REST
from benchmarks.traffic.variants import BATCH, Surroundings, Variant

NOWHERE = 9
"""A port at which nobody listens: "discard"."""

_PORTION = 50_000
_FIRST = 10**9

WAITING = Variant(
    "backlog",
    "router, its target down",
    rules=two_rules(["hook"]),
    targets=lambda _receiver: {"hook": http(NOWHERE, "0")},
)


async def weigh(around: Surroundings, events: int) -> int:
    """The most resident bytes that a router has had while so many events came to wait."""
    most = 0
    with WAITING.running(around) as process:
        for first in range(0, events, _PORTION):
            count = min(_PORTION, events - first)
            load = Load(process.port, None, first=_FIRST + first, count=count, batch=min(BATCH, count))
            await load.run()
            process.check()
            most = max(most, process.memory())
        await asyncio.sleep(REST)
        return max(most, process.memory())
