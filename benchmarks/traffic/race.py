"""All variants, side by side: in each round one window of each, in the next round in the opposite order."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.traffic.board import CAPACITY
from benchmarks.traffic.intervals import quantile
from benchmarks.traffic.load import Load
from benchmarks.traffic.processes import Process
from benchmarks.traffic.variants import Surroundings, Variant

REST = 1.2
"""Seconds after a window; a router that has nothing to do for a second empties its logs."""

_WARM = 300

_QUIET, _LOOK, _PATIENCE = 0.03, 0.5, 120
"""A server that uses less than this part of a core has started; how often to look, and how many times."""


@dataclass(frozen=True, slots=True)
class Window:
    """One measurement of one variant.

    Attributes:
        seconds: from the first request until everything had arrived.
        processor: seconds of processor time of the server's, meanwhile.
        memory: resident bytes of the server's, afterwards.
        accept_p50, accept_p99: seconds from when a request was due to its answer.
        deliver_p50, deliver_p99: seconds from when an event was due to its arrival; None where nobody knows.
    """

    events: int
    seconds: float
    processor: float
    memory: int
    accept_p50: float
    accept_p99: float
    deliver_p50: float | None
    deliver_p99: float | None

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cost(self) -> float:
        """Seconds of processor time for each event."""
        return self.processor / self.events


@dataclass(slots=True)
class Measured:
    """What was measured of one variant, a window for each round.

    Attributes:
        sustained: as fast as it delivers.
        half: at half that rate.
        trimmed: how many archived events it has let go meanwhile; None if it is no router.
    """

    sustained: list[Window] = field(default_factory=list)
    half: list[Window] = field(default_factory=list)
    trimmed: int | None = None


class Race:
    """Runs windows.

    Args:
        seconds: how long each shall be.
    """

    def __init__(self, around: Surroundings, running: Mapping[Variant, Process], seconds: float) -> None:
        self.results = {variant.name: Measured() for variant in running}
        self._around = around
        self._running = running
        self._seconds = seconds
        self._next = 0
        self._rates: dict[str, float] = {}

    async def warm_up(self) -> None:
        """Wait until all have started, and find out how many events a window of each must have."""
        for process in self._running.values():
            await _started(process)
        for variant in self._racing():
            for count in (_WARM, _WARM):
                window = await self._window(variant, count)
            self._rates[variant.name] = window.rate
            window = await self._window(variant, self._count(variant, window.rate * self._seconds))
            self._rates[variant.name] = window.rate

    async def sustained(self, rounds: int) -> None:
        """As fast as they deliver."""
        for variant in self._in_turn(self._racing(), rounds):
            count = self._count(variant, self._rates[variant.name] * self._seconds)
            self.results[variant.name].sustained.append(await self._window(variant, count))
        for variant in self._racing():
            windows = self.results[variant.name].sustained
            self._rates[variant.name] = quantile([window.rate for window in windows], 0.5)

    async def half(self, rounds: int) -> None:
        """At half the rate that they sustain."""
        for variant in self._in_turn(list(self._running), rounds):
            rate = self._rates[variant.paced_only or variant.name] / 2
            count = self._count(variant, rate * self._seconds)
            self.results[variant.name].half.append(await self._window(variant, count, rate))

    def _racing(self) -> list[Variant]:
        return [variant for variant in self._running if not variant.paced_only]

    def _in_turn(self, variants: Sequence[Variant], rounds: int) -> list[Variant]:
        there, back = list(variants), list(variants)[::-1]
        return [variant for turn in range(rounds) for variant in (back if turn % 2 else there)]

    def _count(self, variant: Variant, wanted: float) -> int:
        """Events of a window: whole requests, and not more than may be."""
        most = min(variant.most, CAPACITY // 2)
        return max(round(min(wanted, most) / variant.batch), 3) * variant.batch

    async def _window(self, variant: Variant, count: int, rate: float | None = None) -> Window:
        process = self._running[variant]
        progress = variant.progress(self._around)
        load = Load(
            process.port,
            progress,
            first=self._next,
            count=count,
            batch=variant.batch,
            rate=rate,
            ahead=variant.ahead,
        )
        self._next += count
        gc.collect()
        process.check()
        before = process.processor()
        sent = await load.run()
        spent = process.processor() - before
        await asyncio.sleep(REST)
        return Window(
            events=count,
            seconds=sent.seconds,
            processor=spent,
            memory=process.memory(),
            accept_p50=quantile(sent.accept, 0.5),
            accept_p99=quantile(sent.accept, 0.99),
            deliver_p50=quantile(sent.deliver, 0.5) if sent.deliver else None,
            deliver_p99=quantile(sent.deliver, 0.99) if sent.deliver else None,
        )


async def _started(process: Process) -> None:
    """Wait until a server has nothing to do: a router reads its rules again once it watches them."""
    for _ in range(_PATIENCE):
        before = process.processor()
        await asyncio.sleep(_LOOK)
        process.check()
        if process.processor() - before < _QUIET * _LOOK:
            return
