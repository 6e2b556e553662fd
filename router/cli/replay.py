"""`router replay`: archived events through today's rules again."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from datetime import datetime
from typing import Any

import anyio
import click
from rich.console import Console

from router.cli import telling
from router.cli.reaching import Place, ask, placed
from router.cli.times import TIME, exactly, local
from router.errors import RouterError
from router.operations.answers import ReplayState, ReplayTold
from router.operations.base import Operations
from router.operations.questions import ReplayQuery
from router.targets.rates import per_second

FELL_SHORT = 1
"""The exit status when not everything was replayed."""

LOOK = 0.2
"""Seconds between two looks at how far it is."""


def _vetted(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A rate as it was typed."""
    try:
        per_second(value or "1/s")
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@click.command(short_help="Send archived events through today's rules again.")
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
@click.option("--json", "as_json", is_flag=True, help="Print how it ended as JSON.")
@placed
def replay(
    *,
    since: datetime,
    until: datetime | None,
    rate: str | None,
    name: str | None,
    as_json: bool,
    place: Place,
    **only: Any,
) -> None:
    """Send archived events through today's rules again, and watch. Ctrl-C stops it.

    Each comes as a new event with the extensions `replayname` and `replayof` (the sequence of the first), so
    that a rule can leave them out: `replayname: [{exists: false}]`. It waits while a target that it adds to
    has much to do, so that new events are not held up.
    """
    speed = None if rate is None else per_second(rate)
    query = ReplayQuery(since=since, until=until, rate=speed, name=name, **only)
    told, lost = ask(place, lambda operations: _follow(operations, query), rules=True)
    if as_json:
        telling.as_json(told)
    else:
        click.echo(_said(told))
    if told.state is not ReplayState.DONE:
        why = lost or told.reason
        click.echo(f"it did not come to its end: {why}\ngo on with: {_rest(told, rate, place)}", err=True)
        sys.exit(FELL_SHORT)


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


def _said(told: ReplayTold) -> str:
    waits = f"; waiting: {told.reason}" if told.state is ReplayState.WAITING else ""
    return (
        f"{told.name}: {telling.counted(told.replayed, 'event')} replayed of {told.looked:,} looked at, "
        f"{telling.counted(told.deliveries, 'delivery')}, up to {local(told.reached)}{waits}"
    )


def _rest(told: ReplayTold, rate: str | None, place: Place) -> str:
    """The command that goes on where this one ended."""
    words = ["router", "replay", "--since", exactly(told.reached), "--until", exactly(told.until)]
    asked = (("--rule", told.rule), ("--target", told.target), ("--type", told.type), ("--rate", rate))
    for option, value in asked:
        words += [option, value] if value is not None else []
    words += [word for path in place.paths for word in ("--deployment", str(path))]
    words += ["--data", str(place.data)] if place.data is not None else []
    return shlex.join(words)
