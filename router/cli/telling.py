"""What commands print: tables and lines for people, JSON for programs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator

import click
import msgspec
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from router.cli.times import local, relative
from router.operations.answers import (
    AttemptTold,
    ConditionTold,
    DeliverySummary,
    DeliveryTold,
    EventSummary,
    EventTold,
)
from router.store.base import State
from router.store.listing import UNREADABLE

SHOWN = 2_000
"""Characters of a payload that are shown."""

WIDE = 160
"""Columns where no terminal says how many there are."""

_STYLES = {State.DEAD: "red", State.RETRYING: "yellow", State.DELIVERED: "green", State.CANCELLED: "dim"}

_WHEN = {State.DEAD: "since", State.RETRYING: "due", State.IN_FLIGHT: "since"}


def as_json(content: object) -> None:
    """Print what was told as JSON; numbers in a payload keep their spelling."""
    click.echo(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())


def show(*parts: RenderableType) -> None:
    """Print for people."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
    console = Console(file=sys.stdout, highlight=False, width=width)
    for part in parts:
        # A line is the terminal's to wrap: whoever copies an id from it gets the whole id.
        console.print(part, soft_wrap=isinstance(part, Text))


def counted(count: int, what: str) -> str:
    """So many of something.

    >>> counted(1, "dead letter"), counted(2, "delivery")
    ('1 dead letter', '2 deliveries')
    """
    several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count:,} {what if count == 1 else several}"


def events(found: Iterable[EventSummary]) -> RenderableType:
    """A list of events."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("sequence", no_wrap=True, min_width=16)
    table.add_column("accepted", no_wrap=True, min_width=14)
    table.add_column("event", overflow="fold", ratio=3)
    table.add_column("routed to", overflow="fold", ratio=2)
    for event in found:
        about = Text.assemble(event.type, ("\n" + _origin(event.id, event.source, event.subject), "dim"))
        routed = ", ".join(event.targets) or "nowhere"
        table.add_row(str(event.sequence), local(event.received).replace(" ", "\n"), about, routed)
    return table


def deliveries(found: Iterable[DeliverySummary]) -> Iterator[RenderableType]:
    """A list of deliveries."""
    for delivery in found:
        yield Text(delivery.id, "bold")
        origin = _origin(delivery.event_id, delivery.event_source, None)
        about = [Text(f"{delivery.event_type}, {origin}", "dim")]
        if delivery.rules:
            rules = f"for {counted(len(delivery.rules), 'rule')}: {', '.join(delivery.rules)}"
            about.append(Text(rules, "dim"))
        elif delivery.event_type == UNREADABLE:
            about = [Text(f"its event, {delivery.sequence}, cannot be read any more", "dim")]
        lines = [_stands(delivery), *about]
        yield Padding(Text("\n").join(lines), (0, 0, 0, 2), expand=False)


def event(told: EventTold) -> Iterator[RenderableType]:
    """One event, with everything."""
    facts = _facts()
    facts.add_row("sequence", str(told.sequence))
    facts.add_row("accepted", f"{local(told.received)}, read by the source {told.read_by}")
    facts.add_row("configuration", told.version)
    facts.add_row("rules", ", ".join(told.rules) or "none matched")
    if told.notes:
        facts.add_row("notes", ", ".join(told.notes))
    yield facts
    yield Text("")
    body = bytes(told.event).decode()
    with contextlib.suppress(msgspec.MsgspecError):  # else it is shown as it came
        body = msgspec.json.format(body, indent=2)
    yield Text(body[:SHOWN])
    if len(body) > SHOWN:
        yield Text(f"… and {len(body) - SHOWN:,} characters more: --json shows them", "dim")
    for delivery in told.deliveries:
        yield Text("")
        yield from _course(delivery)


def delivery(told: DeliveryTold) -> Iterator[RenderableType]:
    """One delivery, with everything."""
    yield from _course(told)
    facts = _facts()
    if told.version:
        facts.add_row("event", f"{told.sequence}, accepted {local(told.received)}")
        facts.add_row("", f"{told.event_type}, {_origin(told.event_id, told.event_source, None)}")
        facts.add_row("rules", ", ".join(told.rules))
        facts.add_row("configuration", told.version)
    else:
        facts.add_row("event", f"{told.sequence}, which cannot be read any more: this can only be dropped")
    yield Padding(facts, (0, 0, 0, 2), expand=False)
    if told.last is not None and told.last.answer:
        yield Text("  the target's last answer begins:", "bold")
        yield Padding(Text(told.last.answer), (0, 0, 0, 2), expand=False)


def _course(told: DeliveryTold) -> Iterator[RenderableType]:
    """Where a delivery stands, and how it came there."""
    yield Text(told.id, "bold")
    yield Padding(_stands(told), (0, 0, 0, 2), expand=False)
    facts = _facts()
    for attempt in told.history:
        facts.add_row(local(attempt.at), _came(attempt))
    if told.history:
        yield Padding(facts, (0, 0, 0, 2), expand=False)


def _stands(delivery: DeliverySummary) -> Text:
    if delivery.waits_for is not None:
        return Text(f"waits for {delivery.waits_for}, an earlier one of its key (order_by)", "yellow")
    text = Text(delivery.state.value, _STYLES.get(delivery.state, ""))
    if delivery.at is not None:
        when = relative(delivery.at) if delivery.state is State.RETRYING else local(delivery.at)
        text.append(f" {_WHEN[delivery.state]} {when}", "default")
    if delivery.state is State.CANCELLED:
        text.append(" by an operator: dropped, or sent to another target", "default")
    if delivery.attempts:
        text.append(f", {counted(delivery.attempts, 'attempt')}", "default")
    elif delivery.state is State.DELIVERED:
        text.append("; when, and by how many attempts, is not kept", "default")
    if delivery.last is not None and delivery.last.error is not None:
        text.append(f": {delivery.last.error}", "default")
    if delivery.paused is not None:
        text.append(f"\nnot yet: {paused(delivery.target, delivery.paused)}", "yellow")
    return text


def paused(target: str, condition: ConditionTold) -> str:
    """What keeps deliveries to a target waiting."""
    if condition.probe is None:
        return f"{target} is tried with one delivery at a time: {condition.reason}"
    return f"nothing is sent to {target} before {relative(condition.probe)}: {condition.reason}"


def _came(attempt: AttemptTold) -> Text:
    if attempt.redrive:
        return Text("an operator had it made again", "bold")
    style = "red" if attempt.error else "green"
    return Text(f"{attempt.error or 'delivered'}, after {attempt.seconds:.3f} s", style)


def _origin(id_: str, source: str, subject: str | None) -> str:
    return f"{id_} from {source}" + (f", about {subject}" if subject else "")


def _facts() -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table
