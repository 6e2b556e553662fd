"""How fast the router is, from socket to socket: `python -m benchmarks.routing`.

The exit status is 0, or 1 if a bound does not hold, or 2 if something refused, lost or failed.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks.traffic import bars, deployments, processes, report, verdicts
from benchmarks.traffic.backlog import weigh
from benchmarks.traffic.board import board
from benchmarks.traffic.disk import fdatasync
from benchmarks.traffic.intervals import quantile
from benchmarks.traffic.load import StalledError
from benchmarks.traffic.processes import UnstartedError
from benchmarks.traffic.race import Race
from benchmarks.traffic.report import Results
from benchmarks.traffic.variants import VARIANTS, Surroundings, Variant

ROUNDS, SECONDS, ARCHIVE = 10, 2.0, 60_000
QUICK_ROUNDS, QUICK_SECONDS, QUICK_ARCHIVE = 2, 0.5, 8_000

TITLES = {variant.name: variant.title for variant in VARIANTS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write.

    Returns:
        The exit status.
    """
    options = _options(arguments)
    servers, own = processes.cores()
    os.sched_setaffinity(0, own)
    try:
        with tempfile.TemporaryDirectory(prefix="routing-", dir=options.folder) as folder:
            results = uvloop.run(run(Path(folder), options, servers))
    except (StalledError, UnstartedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        results.write(options.json)
    if options.svg:
        options.svg.write_text(bars.draw(results.variants, TITLES), "utf-8")
    return 0 if all(verdict.holds for verdict in results.verdicts) else 1


async def run(folder: Path, options: argparse.Namespace, servers: set[int]) -> Results:
    """Measure, and print each table as soon as it is known.

    Raises:
        StalledError: something was refused, or has not arrived.
        UnstartedError: a server does not run.
    """
    with ExitStack() as stack:
        shared = stack.enter_context(board(folder / "board"))
        arguments, log, own = [str(folder / "board")], folder / "receiver.log", os.sched_getaffinity(0)
        receiver = stack.enter_context(processes.module("benchmarks.traffic.receiver", arguments, log, own))
        archive = folder / "archive"
        await deployments.fill(archive, options.archive)
        around = Surroundings(folder, shared, receiver.port, archive, servers)
        synced = fdatasync(folder)
        results = Results(quantile(synced, 0.5), quantile(synced, 0.99), {})
        if chosen := _chosen(options.only):
            await _race(around, chosen, options, results)
        if options.backlog:
            memory = await weigh(around, options.backlog)
            results.verdicts.append(verdicts.backlog(options.backlog, memory))
    _show("Bounds", report.bounds(results.verdicts))
    return results


async def _race(
    around: Surroundings, chosen: Sequence[Variant], options: argparse.Namespace, results: Results
) -> None:
    with ExitStack() as stack:
        running = {variant: stack.enter_context(variant.running(around)) for variant in chosen}
        gc.collect()
        gc.freeze()  # what there is by now is no part of what is measured
        race = Race(around, running, options.seconds)
        await race.warm_up()
        await race.sustained(options.rounds)
        _show(f"Sustained, {options.rounds} rounds", report.sustained(race.results, TITLES))
        await race.half(options.rounds)
        _show(f"At half load, {options.rounds} rounds", report.half(race.results, TITLES))
        for variant, process in running.items():
            if variant.targets is not None:
                race.results[variant.name].trimmed = deployments.trimmed(process.log)
    results.variants = race.results
    results.verdicts = verdicts.verdicts(race.results)


def _chosen(only: Sequence[str]) -> list[Variant]:
    return [variant for variant in VARIANTS if not only or variant.name in only]


def _show(title: str, text: str) -> None:
    print(f"\n{title}\n\n{text}", flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.routing", description="How fast the router is.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw what an event costs")
    parser.add_argument("--quick", action="store_true", help="short windows, too few for a verdict")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"how often; default {ROUNDS}")
    parser.add_argument("--seconds", type=float, metavar="S", help=f"of a window; default {SECONDS:g}")
    parser.add_argument("--folder", type=Path, help="where the stores are: on the disk to be measured")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", choices=[*TITLES, "none"], help="measure these only"
    )
    parser.add_argument(
        "--backlog", type=int, default=0, metavar="N", help="weigh a router with so many events waiting"
    )
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    options.seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    options.archive = QUICK_ARCHIVE if options.quick else ARCHIVE
    return options


if __name__ == "__main__":
    sys.exit(main())
