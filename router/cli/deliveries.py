"""`router deliveries`: what is not delivered yet, and what is dead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

import click
import msgspec

from router.cli import telling
from router.cli.changing import Change, carry_out
from router.cli.groups import Listing
from router.cli.reaching import Place, ask, fail, is_held, is_loadable, placed
from router.cli.times import TIME
from router.config.names import LONGEST
from router.errors import MessageError
from router.operations.answers import DeliveryPage, DeliverySummary, DeliveryTold
from router.operations.base import Operations
from router.operations.deliveries import UNFINISHED
from router.operations.questions import LONGEST_PAGE, DeliveryQuery, Drop, Redrive, Selection
from router.store.base import State

_AHEAD = frozenset({State.PENDING, State.RETRYING})
"""Where a delivery stands that only a router can make."""


def filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the filters of deliveries; it gets them as `chosen`."""

    @click.option("--target", help="Those of this target; also of one that is no longer there.")
    @click.option("--rule", help="Those that this rule asked for.")
    @click.option("--type", "type_", help="Those of events of this type; `*` stands for any text.")
    @click.option("--since", type=TIME, help="Of events accepted then or later: RFC 3339, or 15m, 2h, 3d.")
    @click.option("--until", type=TIME, help="Of events accepted before that.")
    @wraps(command)
    def with_filters(
        *,
        target: str | None,
        rule: str | None,
        type_: str | None,
        since: datetime | None,
        until: datetime | None,
        **options: Any,
    ) -> Any:
        chosen = Selection(target=target, rule=rule, type=type_, since=since, until=until)
        return command(chosen=chosen, **options)

    return with_filters


def staged(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the filter of states; it gets them as `states`."""

    @click.option(
        "--state",
        "states",
        multiple=True,
        type=click.Choice([state.value for state in State if state in UNFINISHED]),
        help="Those that stand here; may be given several times.",
    )
    @wraps(command)
    def with_states(*, states: tuple[str, ...], **options: Any) -> Any:
        return command(states=tuple(map(State, states)), **options)

    return with_states


def paged(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that lists something its last options."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print them as JSON."),
        click.option("--most", type=click.IntRange(1), default=20, show_default=True, help="How many."),
        click.option("--after", help="Go on after this delivery."),
    ):
        command = option(command)
    return command


@click.group(cls=Listing)
def deliveries() -> None:
    """Show what is not delivered yet, and what is dead; send it elsewhere, or drop it.

    `router deliveries` alone lists them; see `router deliveries list --help`.
    """


@deliveries.command("list", short_help="List deliveries, the oldest event's first.")
@staged
@filtered
@paged
@placed
def list_deliveries(
    *,
    states: tuple[State, ...],
    chosen: Selection,
    after: str | None,
    most: int,
    as_json: bool,
    place: Place,
) -> None:
    """List deliveries that are not made yet, and dead ones, the oldest event's first."""
    list_chosen(place, chosen, states, "delivery", after=after, most=most, as_json=as_json)


@deliveries.command("show", short_help="Show one delivery and all its attempts.")
@click.argument("id_", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@placed
def show_delivery(*, id_: str, as_json: bool, place: Place) -> None:
    """Show the delivery ID with all its attempts, also one that was made.

    With an event's sequence alone, all deliveries of that event.
    """
    show_one(place, id_, (), as_json=as_json)


@deliveries.command("redrive", short_help="Deliver to another target what waits for one.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--to", required=True, help="The target that gets them instead.")
@staged
@filtered
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
@placed
def redrive_deliveries(
    *,
    ids: tuple[str, ...],
    to: str,
    states: tuple[State, ...],
    chosen: Selection,
    yes: bool,
    as_json: bool,
    place: Place,
) -> None:
    """Deliver to another target what waits for one, and what is dead: all of it, or the deliveries ID.

    For the backlog of a target that is no longer there, and of one that will be down for long.
    """
    need_choice(ids, states, chosen)
    redrive = Redrive(**fields(chosen), state=states, ids=ids, to=to)
    words = ("delivery", f"deliver to {to}")
    change = Change(redrive, lambda desk, part: desk.redrive(part), *words)
    carry_out(place, change, yes=yes, as_json=as_json, rules=True)


@deliveries.command("drop", short_help="Never make deliveries that wait.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@staged
@filtered
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
@placed
def drop_deliveries(
    *,
    ids: tuple[str, ...],
    states: tuple[State, ...],
    chosen: Selection,
    yes: bool,
    as_json: bool,
    place: Place,
) -> None:
    """Never make deliveries that wait or are dead: all that fit, or the deliveries ID. Their events stay."""
    need_choice(ids, states, chosen)
    drop = Drop(**fields(chosen), state=states, ids=ids)
    change = Change(drop, lambda desk, part: desk.drop(part), "delivery", "drop")
    carry_out(place, change, yes=yes, as_json=as_json)


def need_choice(ids: tuple[str, ...], states: tuple[State, ...], chosen: Selection) -> None:
    """Refuse to change everything there is.

    Raises:
        click.UsageError: nothing was chosen.
    """
    if not ids and not states and not fields(chosen):
        raise click.UsageError("say which: by --target, --rule, --type, --state, --since, --until, or by ID")


def fields(chosen: Selection) -> dict[str, Any]:
    """What was said in a selection."""
    return {name: value for name, value in msgspec.structs.asdict(chosen).items() if value not in {None, ()}}


def list_chosen(
    place: Place,
    chosen: Selection,
    states: tuple[State, ...],
    thing: str,
    *,
    after: str | None,
    most: int,
    as_json: bool,
) -> None:
    """List what was chosen; `thing` is what one of it is called."""
    query = DeliveryQuery(**fields(chosen), state=states, after=after)
    named = bool(chosen.target or chosen.rule) and is_loadable(place)  # a misspelt name is told
    found = ask(place, lambda operations: _gather(operations, query, most), rules=named)
    if as_json:
        telling.as_json(found)
        return
    if found.deliveries:
        telling.show(*telling.deliveries(found.deliveries))
        if not is_held(place.folder) and any(one.state in _AHEAD for one in found.deliveries):
            click.echo("no router runs here: what waits is tried after the next start", err=True)
    else:
        click.echo(f"no {thing} fits")
    if found.next is not None:
        click.echo(f"there may be more: --after {found.next}")


def show_one(place: Place, id_: str, states: tuple[State, ...], *, as_json: bool) -> None:
    """Show one delivery; where an event's sequence is given, those of its deliveries that stand in `states`.

    Args:
        place: whose.
        id_: of a delivery, or a sequence.
        states: none at all is any.
        as_json: print JSON; for a sequence it is a list.
    """
    if not (id_.isascii() and id_.isdecimal()):
        told = ask(place, lambda operations: operations.delivery(id_))
        if as_json:
            telling.as_json(told)
        else:
            telling.show(*telling.delivery(told))
        return
    found = ask(place, lambda operations: _of_event(operations, int(id_), states))
    if not found:
        kind = "dead letter" if states == (State.DEAD,) else "delivery"
        fail(f"the event {id_} has no {kind}; `router events show {id_}` says what became of it")
    if as_json:
        telling.as_json(found)
        return
    for one in found:
        telling.show(*telling.delivery(one))


async def _of_event(
    operations: Operations, sequence: int, states: tuple[State, ...]
) -> tuple[DeliveryTold, ...]:
    """An event's deliveries; where the event is lost, what of them is dead or to be tried again."""
    try:
        told = await operations.event(sequence)
    except MessageError:
        before = f"{sequence - 1}-{'z' * LONGEST}"  # no name is greater
        query = DeliveryQuery(state=states or (State.DEAD, State.RETRYING), after=before)
        rest = (await operations.deliveries(query)).deliveries
        return tuple([await operations.delivery(one.id) for one in rest if one.sequence == sequence])
    return tuple(one for one in told.deliveries if one.state in (states or State))


async def _gather(operations: Operations, query: DeliveryQuery, most: int) -> DeliveryPage:
    """So many deliveries, over as many pages as it takes."""
    found: list[DeliverySummary] = []
    after = query.after
    while True:
        left = min(most - len(found), LONGEST_PAGE)
        got = await operations.deliveries(msgspec.structs.replace(query, after=after, most=left))
        found += got.deliveries
        after = got.next
        if after is None or len(found) == most:
            return DeliveryPage(deliveries=tuple(found), next=after)
