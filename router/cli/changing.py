"""Changes of many deliveries: count them first, ask, then do it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import click
import msgspec

from router.cli import rereading, telling
from router.cli.reaching import Place, ask, is_loadable, unasked
from router.cli.rereading import Reread
from router.config.names import QUARANTINE
from router.operations.answers import Changed, Left
from router.operations.base import Operations
from router.operations.questions import LONGEST_PAGE, Drop, Redrive
from router.store.base import State

FELL_SHORT = 1
"""The exit status when something that was named was left as it is."""

_WHY = {
    Left.IN_FLIGHT: "under way, or held back until an earlier one of its key is done (order_by)",
    Left.UNREADABLE: "whose event cannot be read any more: it can only be dropped",
    Left.OTHER_STATE: "that was named, and is none now; `router deliveries show ID` says where it stands",
    Left.OTHER_FILTER: "that does not fit the filter",
    Left.THERE_ALREADY: "that waits for this target already, and is tried when it is due",
    Left.MEANWHILE: "under way or done with when its turn came",
}

C = TypeVar("C", bound=Drop)


@dataclass(frozen=True, slots=True)
class Change(Generic[C]):
    """Something to do with deliveries.

    Attributes:
        chosen: with which.
        apply: does it, or with `dry` counts them; a part at a time.
        thing: what one of them is called.
        verb: what is done with them.
    """

    chosen: C
    apply: Callable[[Operations, C], Awaitable[Changed]]
    thing: str
    verb: str


def carry_out(place: Place, change: Change[C], *, yes: bool, as_json: bool, rules: bool = False) -> None:
    """Count what a change is about, ask whoever sits there, do it, and say what came of it.

    What was meant and is left as it is is told, with the reason. While it asks, a stopped router may start.

    Args:
        place: whose deliveries.
        change: what to do.
        yes: do not ask.
        as_json: print the result as JSON.
        rules: whether today's targets must be known.
    """

    async def work(operations: Operations) -> tuple[Changed, Reread | None]:
        changed = await _all(operations, change, dry=False)
        for line in await _kept_waiting(operations, change, changed):
            click.echo(line, err=True)
        return changed, await _reread(operations, change, changed)

    named = bool(change.chosen.target or change.chosen.rule) and is_loadable(place)  # a misspelt name is told
    rules = rules or named
    reread: Reread | None = None
    told = ask(place, lambda operations: _all(operations, change, dry=True), rules=rules)
    if told.count:
        if not yes:
            _ask(change, told)
        told, reread = ask(place, work, rules=rules)
    if as_json:
        telling.as_json(told if reread is None else msgspec.to_builtins(told) | {QUARANTINE: reread})
    else:
        _tell(change, told, reread)
    if change.chosen.ids and (told.left or (reread is not None and reread.unreadable)):
        sys.exit(FELL_SHORT)


def _tell(change: Change[C], told: Changed, reread: Reread | None) -> None:
    if told.count:
        click.echo(f"{change.verb}: done with {_named(change, told)}")
    elif not told.left:
        click.echo(f"no {change.thing} fits")
    for line in () if reread is None else rereading.lines(reread):
        click.echo(line)
    for why, count in told.left.items():
        click.echo(f"left as it is: {telling.counted(count, change.thing)} {_WHY[why]}", err=True)


def _ask(change: Change[C], counted: Changed) -> None:
    """Go on only if somebody says so."""
    question = f"{change.verb}: {_named(change, counted)}"
    if not sys.stdin.isatty():
        unasked(question, "--yes")
    click.confirm(f"{question}. Go on?", abort=True, err=True)


async def _kept_waiting(operations: Operations, change: Change[C], changed: Changed) -> list[str]:
    """Why what was redriven is not tried at once."""
    if not isinstance(change.chosen, Redrive) or not changed.count:
        return []
    status = await operations.status()
    to = change.chosen.to
    names = (changed.targets.keys() if to is None else {to}) - {QUARANTINE}
    if not names:
        return []
    targets = [target for target in status.targets if target.name in names]
    gone = [target.name for target in targets if target.gone and status.version is not None]
    said = [f"no target is called {name} now: they wait until one is, or go --to another" for name in gone]
    if not status.running:
        return (
            [*said, "no router runs here: they are tried after the next start"] if names - {*gone} else said
        )
    return said + [
        f"not yet: {telling.paused(target.name, target.condition)}"
        for target in targets
        if target.condition is not None and target.condition.state != "closed"
    ]


async def _reread(operations: Operations, change: Change[C], changed: Changed) -> Reread | None:
    """What came of the quarantined requests among those that were redriven; None where there was none."""
    count = changed.targets.get(QUARANTINE, 0)
    if not isinstance(change.chosen, Redrive) or change.chosen.to is not None or not count:
        return None
    running, waiting = await rereading.settled(operations)
    if not running:
        return Reread(0, 0, count)
    waiting = min(waiting, count)
    chosen = msgspec.structs.replace(change.chosen, state=(State.DEAD,), target=QUARANTINE)
    again = await _all(operations, replace(change, chosen=chosen), dry=True)
    unreadable = min(again.count, count - waiting)
    return Reread(count - waiting - unreadable, unreadable, waiting)


def _named(change: Change[C], changed: Changed) -> str:
    by_target = ", ".join(f"{count:,} of {target}" for target, count in changed.targets.items())
    return f"{telling.counted(changed.count, change.thing)} ({by_target})"


async def _all(operations: Operations, change: Change[C], *, dry: bool) -> Changed:
    """The whole change, over as many requests as it takes."""
    counts: Counter[str] = Counter()
    left: Counter[Left] = Counter()
    ids = change.chosen.ids
    for start in range(0, max(len(ids), 1), LONGEST_PAGE):
        part = msgspec.structs.replace(change.chosen, ids=ids[start : start + LONGEST_PAGE], dry=dry)
        while True:
            changed = await change.apply(operations, part)
            counts.update(changed.targets)
            left.update(changed.left)
            if changed.next is None:
                break
            part = msgspec.structs.replace(part, after=changed.next)
    counts = +counts
    return Changed(count=counts.total(), targets=dict(counts), next=None, left=dict(left))
