"""`router events`: what was accepted."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from router.cli import telling
from router.cli.groups import Listing
from router.cli.reaching import Place, ask, is_loadable, placed
from router.cli.times import TIME
from router.operations.answers import EventPage, EventSummary
from router.operations.base import Operations
from router.operations.questions import LONGEST_PAGE, EventQuery, Order


@click.group(cls=Listing)
def events() -> None:
    """Show what was accepted. `router events` alone lists the newest; see `router events list --help`."""


@events.command("list", short_help="List events, the newest first.")
@click.option("--since", type=TIME, help="Accepted then or later: RFC 3339, or 15m, 2h, 3d for so long ago.")
@click.option("--until", type=TIME, help="Accepted before that.")
@click.option("--source", help="The event's source; `*` stands for any text, as in rules.")
@click.option("--type", help="The event's type, likewise.")
@click.option("--subject", help="The event's subject, likewise.")
@click.option("--id", help="The event's id.")
@click.option("--target", help="A target that its rules routed it to, whether or not it has got it.")
@click.option("--oldest-first", is_flag=True, help="List the oldest first.")
@click.option("--after", type=int, help="Go on after this sequence.")
@click.option("--most", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@placed
def list_events(
    *, oldest_first: bool, after: int | None, most: int, as_json: bool, place: Place, **filters: Any
) -> None:
    """List accepted events, the newest first."""
    query = EventQuery(**filters, order=Order.OLDEST if oldest_first else Order.NEWEST, after=after)
    named = bool(query.target) and is_loadable(place)  # a misspelt name is told
    found = ask(place, lambda operations: _gather(operations, query, most), rules=named)
    if as_json:
        telling.as_json(found)
        return
    if found.events:
        telling.show(telling.events(found.events))
    else:
        click.echo("no event fits")
    if found.next is not None:
        click.echo(f"there may be more: --after {found.next}")


async def _gather(operations: Operations, query: EventQuery, most: int) -> EventPage:
    """So many events, over as many pages as it takes."""
    found: list[EventSummary] = []
    after = query.after
    while True:
        left = min(most - len(found), LONGEST_PAGE)
        got = await operations.events(msgspec.structs.replace(query, after=after, most=left))
        found += got.events
        after = got.next
        if after is None or len(found) == most:
            return EventPage(events=tuple(found), next=after)


@events.command("show", short_help="Show one event and what became of it.")
@click.argument("sequence", type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@placed
def show_event(*, sequence: int, as_json: bool, place: Place) -> None:
    """Show the event at SEQUENCE with its data, and every delivery of it."""
    told = ask(place, lambda operations: operations.event(sequence))
    if as_json:
        telling.as_json(told)
    else:
        telling.show(*telling.event(told))
