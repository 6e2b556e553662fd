"""`router dead`: dead letters, and what becomes of them."""

from __future__ import annotations

import click

from router.cli.changing import Change, carry_out
from router.cli.deliveries import fields, filtered, list_chosen, paged, show_one
from router.cli.groups import Listing
from router.cli.reaching import Place, placed
from router.operations.questions import Drop, Redrive, Selection
from router.store.base import State

DEAD = (State.DEAD,)


@click.group(cls=Listing)
def dead() -> None:
    """Show what could not be delivered; have it delivered again, or drop it.

    `router dead` alone lists them; see `router dead list --help`.
    """


@dead.command("list", short_help="List dead letters, the oldest event's first.")
@filtered
@paged
@placed
def list_dead(*, chosen: Selection, after: str | None, most: int, as_json: bool, place: Place) -> None:
    """List dead letters, the oldest event's first."""
    list_chosen(place, chosen, DEAD, "dead letter", after=after, most=most, as_json=as_json)


@dead.command("show", short_help="Show one with its last error, the answer, and every attempt.")
@click.argument("id_", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@placed
def show_dead(*, id_: str, as_json: bool, place: Place) -> None:
    """Show the dead letter ID: its last error, the first bytes of the target's answer, every attempt.

    With an event's sequence alone, all dead letters of that event.
    """
    show_one(place, id_, DEAD, as_json=as_json)


@dead.command("redrive", short_help="Have them delivered again.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--to", help="The target that gets them instead of their own.")
@filtered
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
@placed
def redrive_dead(
    *, ids: tuple[str, ...], to: str | None, chosen: Selection, yes: bool, as_json: bool, place: Place
) -> None:
    """Have dead letters delivered again: all that fit, or the deliveries ID.

    A redriven delivery keeps its id, and its target's retries begin anew. Of requests in quarantine it says
    how many could be read now. Exit status 1: one that was named is left as it is, or cannot be read.
    """
    redrive = Redrive(**fields(chosen), state=DEAD, ids=ids, to=to)
    verb = "redrive" if to is None else f"redrive to {to}"
    change = Change(redrive, lambda desk, part: desk.redrive(part), "dead letter", verb)
    carry_out(place, change, yes=yes, as_json=as_json, rules=to is not None)


@dead.command("drop", short_help="Never deliver them.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filtered
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
@placed
def drop_dead(*, ids: tuple[str, ...], chosen: Selection, yes: bool, as_json: bool, place: Place) -> None:
    """Never deliver dead letters: all that fit, or the deliveries ID. Their events stay in the archive."""
    drop = Drop(**fields(chosen), state=DEAD, ids=ids)
    change = Change(drop, lambda desk, part: desk.drop(part), "dead letter", "drop")
    carry_out(place, change, yes=yes, as_json=as_json)
