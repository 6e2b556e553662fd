"""Whether a router at half load stays as it is: `python -m benchmarks.steady`.

The exit status is 0, or 1 if it grows, or 2 if something refused, lost or failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import uvloop

from benchmarks import tables
from benchmarks.traffic import deployments, processes
from benchmarks.traffic.board import CAPACITY, board
from benchmarks.traffic.intervals import quantile
from benchmarks.traffic.load import Load, StalledError
from benchmarks.traffic.processes import Process, UnstartedError
from benchmarks.traffic.report import PACKAGES
from benchmarks.traffic.variants import VARIANTS, Surroundings, Variant

MINUTES, PORTION = 30.0, 20.0
"""How long, and seconds between two looks."""

ARCHIVE = 60_000
"""Events that are there before; so large the archive stays."""

GROWTH = 1.05
"""How many times the memory of the second third of the time that of the last third may be."""

FILES = 32
"""Descriptors, likewise: connections come and go."""

LOG_MOST = 64e6
"""Bytes that the logs of the databases may have together: twice as many as one that is emptied at once."""

_PROBE, _PROBES = 10_000, 4


@dataclass(frozen=True, slots=True)
class Look:
    """A router after some time.

    Attributes:
        minutes: since the load began.
        memory: resident bytes.
        files: open file descriptors.
        logs: bytes of all databases' logs.
        disk: bytes of its data folder.
        cost: seconds of processor time for an event, since the last look.
        accept_p99, deliver_p99: seconds, since the last look.
    """

    minutes: float
    memory: int
    files: int
    logs: int
    disk: int
    cost: float
    accept_p99: float
    deliver_p99: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser("python -m benchmarks.steady", description=__doc__.split(":")[0])
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"how long; default {MINUTES:g}")
    parser.add_argument("--rate", type=float, help="events a second; default half of what it sustains")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every look")
    parser.add_argument("--folder", type=Path, help="where the store is: on a disk, not on a tmpfs")
    options = parser.parse_args(arguments)
    servers, own = processes.cores()
    os.sched_setaffinity(0, own)
    try:
        with tempfile.TemporaryDirectory(prefix="steady-", dir=options.folder) as folder:
            looks, rate = uvloop.run(run(Path(folder), options, servers))
    except (StalledError, UnstartedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        document = {
            "machine": tables.machine(*PACKAGES[:-2]),
            "rate": rate,
            "looks": list(map(asdict, looks)),
        }
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    faults = grown(looks)
    print("\n" + ("\n".join(faults) or "It stays as it is."))
    return 1 if faults else 0


async def run(folder: Path, options: argparse.Namespace, servers: set[int]) -> tuple[list[Look], float]:
    """Load one router, and look at it now and then.

    Returns:
        The looks, and events a second.

    Raises:
        StalledError: something was refused, or has not arrived.
        UnstartedError: a server does not run.
    """
    variant = next(one for one in VARIANTS if one.name == "http")
    with ExitStack() as stack:
        shared = stack.enter_context(board(folder / "board"))
        arguments, log, own = [str(folder / "board")], folder / "receiver.log", os.sched_getaffinity(0)
        receiver = stack.enter_context(processes.module("benchmarks.traffic.receiver", arguments, log, own))
        await deployments.fill(folder / "archive", ARCHIVE)
        around = Surroundings(folder, shared, receiver.port, folder / "archive", servers)
        process = stack.enter_context(variant.running(around))
        steady = _Steady(process, folder / variant.name / "data", variant, around)
        rate = options.rate or await steady.sustained() / 2
        print(f"{rate:,.0f} events a second for {options.minutes:g} minutes\n", flush=True)
        return await steady.watch(rate, options.minutes), rate


class _Steady:
    def __init__(self, process: Process, data: Path, variant: Variant, around: Surroundings) -> None:
        self._process = process
        self._data = data
        self._variant = variant
        self._around = around
        self._next = 0

    async def sustained(self) -> float:
        """Events a second."""
        rates = []
        for _ in range(_PROBES):
            load = self._load(_PROBE, None)
            rates.append(_PROBE / (await load.run()).seconds)
            await asyncio.sleep(1)
        return quantile(rates[1:], 0.5)

    async def watch(self, rate: float, minutes: float) -> list[Look]:
        """Send at this rate."""
        looks: list[Look] = []
        count = min(round(rate * PORTION), CAPACITY // 2)
        began = time.monotonic()
        heads = "minutes", "memory, MB", "files", "logs, MB", "disk, MB", "CPU µs/event", "p99, ms", "p99, ms"
        print(" ".join(head.rjust(12) for head in heads))
        while time.monotonic() < began + minutes * 60:
            before = self._process.processor()
            sent = await self._load(count, rate).run()
            self._process.check()
            look = Look(
                minutes=(time.monotonic() - began) / 60,
                memory=self._process.memory(),
                files=self._process.files(),
                logs=_weight(self._data, "**/*-wal"),
                disk=_weight(self._data, "**/*"),
                cost=(self._process.processor() - before) / count,
                accept_p99=quantile(sent.accept, 0.99),
                deliver_p99=quantile(sent.deliver, 0.99),
            )
            looks.append(look)
            print(_line(look), flush=True)
        return looks

    def _load(self, count: int, rate: float | None) -> Load:
        first, self._next = self._next, self._next + count
        progress = self._variant.progress(self._around)
        return Load(self._process.port, progress, first=first, count=count, rate=rate)


def grown(looks: Sequence[Look]) -> list[str]:
    """What is not as it was: the last third of the time beside the second one. In the first one it fills."""
    third = len(looks) // 3
    if not third:
        return ["it was not watched for long enough"]
    middle, last = looks[third : 2 * third], looks[2 * third :]

    def most(of: Callable[[Look], int], portion: Sequence[Look]) -> int:
        return max(map(of, portion))

    faults = []
    before, after = most(lambda look: look.memory, middle), most(lambda look: look.memory, last)
    if after > GROWTH * before:
        faults.append(f"its memory grows: {before / 1e6:.1f} MB, then {after / 1e6:.1f} MB")
    before, after = most(lambda look: look.files, middle), most(lambda look: look.files, last)
    if after > before + FILES:
        faults.append(f"its open files grow: {before}, then {after}")
    if (logs := most(lambda look: look.logs, looks)) > LOG_MOST:
        faults.append(f"its databases' logs have {logs / 1e6:.1f} MB")
    return faults


def _line(look: Look) -> str:
    cells = (
        f"{look.minutes:.1f}",
        f"{look.memory / 1e6:.1f}",
        f"{look.files}",
        f"{look.logs / 1e6:.1f}",
        f"{look.disk / 1e6:.0f}",
        f"{look.cost * 1e6:.1f}",
        f"{look.accept_p99 * 1e3:.1f}",
        f"{look.deliver_p99 * 1e3:.1f}",
    )
    return " ".join(cell.rjust(12) for cell in cells)


def _weight(folder: Path, which: str) -> int:
    size = 0
    for path in folder.glob(which):
        try:
            size += path.stat().st_size
        except FileNotFoundError:  # a segment has gone meanwhile
            continue
    return size


if __name__ == "__main__":
    sys.exit(main())
