"""`router replay`: archived events through today's rules again."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import anyio
import click
import msgspec
from rich.console import Console

from router.cli import telling
from router.cli.reaching import Place, ask, placed, unasked
from router.cli.times import TIME, exactly, local
from router.errors import RouterError
from router.operations.answers import ReplayState, ReplayTold
from router.operations.base import Operations
from router.operations.questions import ReplayQuery
from router.targets.rates import per_second

FELL_SHORT = 1
"""The exit status when not everything was replayed."""

SHOWN = 20
"""Targets and rules that are told of, of many; `--json` has all of them."""

LOOK = 0.2
"""Seconds between two looks at how far it is."""


def _vetted(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A rate as it was typed."""
    try:
        per_second(value or "1/s")
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@click.command()
@click.option(
    "--since",
    type=TIME,
    required=True,
    help="Accepted then or later: RFC 3339, or 15m, 2h, 3d for so long ago.",
)
@click.option("--until", type=TIME, help="Accepted before that. Default: now.")
@click.option("--rule", help="Only what this rule asks for.")
@click.option("--target", help="Only what goes to this target.")
@click.option("--type", help="Only events of this type; `*` stands for any text.")
@click.option("--rate", callback=_vetted, help="Events in a time at most: 50/s, 600/m, 10/h.")
@click.option("--name", help="What the events carry as `replayname`. Default: made of the time.")
@click.option(
    "--after", type=click.IntRange(0), help="Go on after this sequence, as one that was interrupted says."
)
@click.option("--dry-run", is_flag=True, help="Only count what would be replayed, by target and rule.")
@click.option("--yes", is_flag=True, help="Do not count first, and do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print how it ended as JSON.")
@placed
def replay(
    *,
    since: datetime,
    until: datetime | None,
    rate: str | None,
    name: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    place: Place,
    **only: Any,
) -> None:
    """Send archived events through today's rules again, and watch. Ctrl-C stops it.

    It counts them first, and asks, unless --yes is given; with --dry-run it only counts.

    Each comes as a new event with the extensions `replayname` and `replayof` (the sequence of the first), so
    that a rule can leave them out: `replayname: [{exists: false}]`. It waits while a target that it adds to
    has much to do, so that new events are not held up.
    """
    speed = None if rate is None else per_second(rate)
    query = ReplayQuery(since=since, until=until, rate=speed, name=name, dry=dry_run, **only)
    told, lost = _carry_out(place, query, yes=yes)
    if as_json:
        telling.as_json(told)
    elif told.dry and told.state is ReplayState.DONE and not (told.replayed or dry_run):
        click.echo("no event fits")
    else:
        click.echo(f"would {_counted(told)}" if told.dry else _said(told))
    if told.unreadable:
        left = telling.counted(told.unreadable, "event")
        click.echo(f"left out: {left} of that time that cannot be read any more", err=True)
    if told.state is not ReplayState.DONE:
        why = f"{lost}; what it did after its last answer comes again" if lost else told.reason
        flags = [flag for flag, is_given in (("--yes", yes), ("--json", as_json)) if is_given]
        rest = "" if told.dry else f"\ngo on with: {_rest(told, rate, place, flags)}"
        click.echo(f"it did not come to its end: {why}{rest}", err=True)
        sys.exit(FELL_SHORT)


def _carry_out(place: Place, query: ReplayQuery, *, yes: bool) -> tuple[ReplayTold, str]:
    """Count, ask whoever sits there, and replay, as far as that is wanted; see `_follow`.

    While it asks, a stopped router may start.
    """
    if query.dry or yes:
        return ask(place, lambda operations: _follow(operations, query), rules=True)
    dry = msgspec.structs.replace(query, dry=True)
    told, lost = ask(place, lambda operations: _follow(operations, dry), rules=True)
    if told.state is not ReplayState.DONE or not told.replayed:
        return told, lost
    question = _counted(told)
    if not sys.stdin.isatty():
        unasked(question, "--yes, or --dry-run to count only")
    click.confirm(f"{question}\nGo on?", abort=True, err=True)
    # What has come since it was counted, nobody has said yes to.
    counted = msgspec.structs.replace(query, until=told.until)
    return ask(place, lambda operations: _follow(operations, counted), rules=True)


async def _follow(operations: Operations, query: ReplayQuery) -> tuple[ReplayTold, str]:
    """Watch a replay to its end; how far it came, and why no more can be known of it."""
    told = await operations.replay(query)
    console = Console(stderr=True)
    with (
        anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
        console.status(_said(told)) as line,
    ):
        async with anyio.create_task_group() as group:

            async def stop() -> None:
                async for _ in signals:
                    with contextlib.suppress(RouterError):  # whoever looks next is told of it
                        await operations.stop_replay(told.name)

            group.start_soon(stop)
            lost = ""
            try:
                while not told.state.is_end:
                    await anyio.sleep(LOOK)
                    told = await operations.replay_named(told.name)
                    line.update(_said(told))
            except RouterError as error:
                lost = error.message
            group.cancel_scope.cancel()
    return told, lost


def _counted(told: ReplayTold) -> str:
    """What a dry run has counted."""
    window = f"accepted from {local(told.since)} until before {local(told.until)}"
    counts = f"replay {telling.counted(told.replayed, 'event')} of {told.looked:,} looked at, {window}"
    if not told.replayed:
        return counts
    by_target = _first([f"{count:,} of {name}" for name, count in _ranked(told.targets)])
    by_rule = _first([f"{name} {telling.counted(count, 'event')}" for name, count in _ranked(told.rules)])
    bound = [told.reason] if told.reason and told.state is ReplayState.DONE else []
    counts = f"{counts}: {telling.counted(told.deliveries, 'delivery')} ({by_target})"
    return "\n".join([counts, f"by rule: {by_rule}", *bound])


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The greatest first."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _first(parts: Sequence[str]) -> str:
    """Of many only the first."""
    more = f", and {len(parts) - SHOWN:,} more" if len(parts) > SHOWN else ""
    return ", ".join(parts[:SHOWN]) + more


def _said(told: ReplayTold) -> str:
    if told.dry:
        return f"counting: {told.looked:,} looked at, up to {local(told.reached)}"
    waits = f"; waiting: {told.reason}" if told.state is ReplayState.WAITING else ""
    return (
        f"{told.name}: {telling.counted(told.replayed, 'event')} replayed of {told.looked:,} looked at, "
        f"{telling.counted(told.deliveries, 'delivery')}, up to {local(told.reached)}{waits}"
    )


def _rest(told: ReplayTold, rate: str | None, place: Place, flags: Sequence[str]) -> str:
    """The command that goes on where this one ended: the same replay, after what is done."""
    words = ["router", "replay", "--since", exactly(told.since), "--until", exactly(told.until)]
    asked = {
        "--after": None if told.after is None else str(told.after),
        "--name": told.name,
        "--rule": told.rule,
        "--target": told.target,
        "--type": told.type,
        "--rate": rate,
    }
    words += [word for option, value in asked.items() if value is not None for word in (option, value)]
    words += [word for path in place.paths for word in ("--deployment", str(path))]
    words += ["--data", str(place.data)] if place.data is not None else []
    return shlex.join([*words, *flags])
