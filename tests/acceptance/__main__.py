"""`python -m tests.acceptance --long`: every fault in its long form, and a tally of what came of them."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from tests.acceptance.harness.fault import Form, all_faults
from tests.acceptance.harness.oracle import ORDERED
from tests.acceptance.harness.run import Result, play

HEADINGS = (
    *("fault", "seconds", "kills", "accepted", "refused"),
    *("unanswered", "repeated", "dead", "missing"),
)


def main() -> int:
    """Run it; 1 where anything was found."""
    arguments = _arguments()
    form: Form = "long" if arguments.long else "short"
    deadline = time.monotonic() + arguments.minutes * 60
    results: list[Result] = []
    left_out: dict[str, str] = {}
    click.echo(_row(HEADINGS[1:], HEADINGS[0]))
    for fault in all_faults():
        if arguments.only not in fault.name:
            continue
        if time.monotonic() > deadline:
            left_out[fault.name] = "there was no time left"
            continue
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            try:
                results.append(play(fault, form, Path(folder), arguments.seed, deadline))
            except pytest.skip.Exception as skipped:
                left_out[fault.name] = str(skipped)
                continue
        _show(results[-1])
    told = _sum(results, left_out)
    click.echo("\n".join([told["tally"], *(f"left out: {name}: {why}" for name, why in left_out.items())]))
    if arguments.json:
        text = json.dumps({**told, "faults": [result.told() for result in results]}, indent=2)
        arguments.json.write_text(text + "\n")
    return 1 if any(result.findings for result in results) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the long form: over 200 kills, 1,000,000 events")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tally there, too")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no round after so many")
    parser.add_argument(
        "--seed", type=int, default=20_261_122, help="what is drawn by chance follows from it"
    )
    parser.add_argument("--only", default="", metavar="PART", help="faults with this in their names")
    return parser.parse_args()


def _show(result: Result) -> None:
    account = result.account
    cells = (
        f"{result.seconds:.1f}",
        result.kills,
        account.accepted,
        account.refused,
        account.unanswered,
        sum(account.repeated.values()),
        sum(account.dead.values()),
        account.missing,
    )
    click.echo("\n    ".join([_row(cells, result.fault), *result.findings]))


def _row(cells: Sequence[object], name: str) -> str:
    return "  ".join([*(f"{cell!s:>10}" for cell in cells), name])


def _sum(results: Sequence[Result], left_out: dict[str, str]) -> dict[str, Any]:
    """All of them in a line, and what a program wants to know."""
    accounts = [result.account for result in results]
    accepted, missing = sum(one.accepted for one in accounts), sum(one.missing for one in accounts)
    deliveries = sum(sum(one.delivered.values()) for one in accounts)
    repeated = sum(sum(one.repeated.values()) for one in accounts)
    ordered = sum(one.delivered[ORDERED] for one in accounts)
    kills = sum(result.kills for result in results)
    minutes = sum(result.seconds for result in results) / 60
    tally = (
        f"{len(results)} faults, {kills:,} SIGKILLs, {accepted:,} events accepted, "
        f"{deliveries:,} deliveries, {missing:,} missing; {repeated:,} repeated; "
        f"{ordered:,} in the order of their keys; {minutes:.0f} minutes"
    )
    return {"tally": tally, "kills": kills, "accepted": accepted, "missing": missing, "left_out": left_out}


if __name__ == "__main__":
    sys.exit(main())
