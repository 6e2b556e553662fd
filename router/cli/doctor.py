"""`router doctor`: whether a store is sound, and what of a damaged one can be kept."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click

from router.cli import telling
from router.cli.deployment import doubts
from router.cli.reaching import Place, ask, fail, is_held, is_loadable, names_files, placed
from router.cli.times import local, relative
from router.clock import SystemClock
from router.config.names import QUARANTINE
from router.operations.answers import SourceStatus, Status, TargetStatus
from router.operations.moments import moment
from router.store.loss import VANISHED, Loss, losses
from router.store.missing import Gap, Missing
from router.store.repair import Finding, Findings, Kept, examine, repair

FELL_SHORT = 1
"""The exit status when something is wrong."""

LOST = 3
"""The exit status when nothing is wrong now, but events cannot be read, or a repair has lost some."""

WAITING = 4
"""The exit status when nothing is wrong, but deliveries wait, and no router runs that would make them."""


NEARLY = timedelta(minutes=1)
"""An event that waits for longer before a target's first failure tells of more than that failure does."""

GOES = "it is older than settings.archive keeps events, and no dead letter is left of it (router dead drop)"
"""When an event is there no more that cannot be read: a repair keeps what is left of it."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found, and did.

    Attributes:
        sound: whether nothing is wrong now.
        found: what was known of each database before anything was done.
        interrupted: databases whose repair was interrupted.
        kept: the databases that were rebuilt.
        status: how the router and its targets fare; None where that could not be asked.
        losses: what repairs could not keep, this one's included, and where that is written down.
        doubts: what is wrong with the configuration in the files.
    """

    sound: bool
    found: tuple[Finding, ...] = ()
    interrupted: tuple[Path, ...] = ()
    kept: tuple[Kept, ...] = ()
    status: Status | None = None
    losses: tuple[tuple[Path, Loss], ...] = ()
    doubts: tuple[str, ...] = ()


@click.command()
@click.option("--yes", is_flag=True, help="Repair without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found and done as JSON.")
@placed
def doctor(*, yes: bool, as_json: bool, place: Place) -> None:
    """Look at the store of a stopped router, and rebuild what is damaged from what can be read of it.

    Nothing is ever deleted: a damaged file stays as `<name>.broken-<time>`. Of a running router it says
    what that one reports of itself, and whether its files hold another configuration than it runs.

    It sees whatever has changed in a log of events. Of a database it sees what is broken in its structure,
    not what has changed within a value.

    Exit status 0: nothing is wrong; dead letters are counted, and are no fault of the store. 1: something is
    wrong, with the store, a target, the configuration or the quarantine; dead letters count where they block
    a key (order_by), or no target has their name. 2: it could not look. 3: nothing is wrong now, but events
    cannot be read, or a repair has lost some; it says which, and until when it does. 4: nothing is wrong, but
    no router runs here, and deliveries wait for one.
    """
    diagnosis = _of_running(place) if is_held(place.folder) else _of_stopped(place, yes=yes)
    if as_json:
        telling.as_json(_plain(diagnosis))
    else:
        for line in _told(diagnosis):
            click.echo(line)
    if not diagnosis.sound:
        sys.exit(FELL_SHORT)
    if diagnosis.losses or any(finding.unreadable for finding in diagnosis.found):
        sys.exit(LOST)
    if diagnosis.status is not None and _is_left_waiting(diagnosis.status):
        sys.exit(WAITING)


def _of_running(place: Place) -> Diagnosis:
    status = ask(place, lambda operations: operations.status())
    found = _doubts(place, status.version)
    sound = not (_is_ill(status) or status.ready or found)
    return Diagnosis(sound=sound, status=status, losses=tuple(losses(place.folder)), doubts=found)


def _of_stopped(place: Place, *, yes: bool) -> Diagnosis:
    findings = examine(place.folder)
    kept: tuple[Kept, ...] = ()
    if not findings.sound and _may_repair(findings, yes=yes):
        try:
            kept = repair(place.folder, SystemClock().now())
        except (OSError, sqlite3.Error) as error:
            fail(f"the new database cannot be written: {error}; the old one is where it was")
    sound = findings.sound or examine(place.folder).sound
    status = ask(place, lambda operations: operations.status(), rules=is_loadable(place)) if sound else None
    found = _doubts(place, None)
    return Diagnosis(
        sound=sound and not found and not (status is not None and _is_ill(status)),
        found=findings.databases,
        interrupted=findings.interrupted,
        kept=kept,
        status=status,
        losses=tuple(losses(place.folder)),
        doubts=found,
    )


def _is_ill(status: Status) -> bool:
    """Whether something is in trouble, as far as is known of it."""
    return bool(status.refused) or any(_complaint(target) is not None for target in _known(status))


def _is_left_waiting(status: Status) -> bool:
    """Whether there is something to deliver, and nobody who does."""
    return not status.running and any(target.pending + target.retrying for target in status.targets)


def _known(status: Status) -> tuple[TargetStatus, ...]:
    """The targets, where it is known which there are."""
    return () if status.version is None else status.targets


def _doubts(place: Place, running: str | None) -> tuple[str, ...]:
    return tuple(doubts(place.paths, running)) if names_files(place) else ()


def _may_repair(findings: Findings, *, yes: bool) -> bool:
    """Whether somebody wants it; whoever is asked sees first what is wrong."""
    if yes or not sys.stdin.isatty():
        return yes
    for line in _damage(Diagnosis(sound=False, found=findings.databases, interrupted=findings.interrupted)):
        click.echo(line, err=True)
    return click.confirm("Rebuild what is damaged from what can be read?", err=True)


def _told(diagnosis: Diagnosis) -> Iterator[str]:
    yield from _damage(diagnosis)
    for kept in diagnosis.kept:
        yield f"{kept.path.name}: rebuilt with {telling.counted(kept.rows, 'row')}"
        yield f"  the damaged one is {kept.broken}"
        yield from (f"  lost: {what}" for what in kept.lost)
    for path, loss in diagnosis.losses:
        when = local(moment(loss.when))
        if loss.database == VANISHED:
            yield f"the files of events were gone when the store was opened, {when}; what stood there:"
        else:
            yield f"{loss.database}: what the repair of {when} could not keep:"
        yield from _lost(loss.missing)
        yield f"  this is told until {path} is removed"
    if diagnosis.status is not None:
        yield from _fares(diagnosis.status, diagnosis.doubts)
    yield from diagnosis.doubts
    if not diagnosis.sound and diagnosis.status is None:
        yield "nothing was changed; router doctor --yes rebuilds what is damaged from what can be read"


def _damage(diagnosis: Diagnosis) -> Iterator[str]:
    for path in diagnosis.interrupted:
        yield f"{path.name}: its repair was interrupted"
    for finding in diagnosis.found:
        yield f"{finding.path.name}: {telling.counted(finding.rows, 'row')}, {_state(finding)}"
        yield from (f"  tells nothing: {what}" for what in finding.lost)
        yield from (f"  lost: {what}; what waits of it becomes a dead letter" for what in finding.unreadable)
        if finding.sound and finding.unreadable:
            yield f"  this is told until {GOES}"
        if diagnosis.kept:  # what is lost is told with the repair
            continue
        if finding.missing:
            yield from _lost(finding.missing)
        if finding.damage and finding.path.name == "deliveries.sqlite":
            yield "  unless all of it can be read, a rebuild has everything in the archive delivered again"


def _state(finding: Finding) -> str:
    """What is wrong with a database, in short."""
    if finding.damage is None and finding.unreadable:
        return f"sound but for {telling.counted(len(finding.unreadable), 'event')} that cannot be read"
    return finding.damage or "sound"


def _lost(missing: Missing) -> Iterator[str]:
    """Which events cannot be read, and what of them had not been delivered."""
    unsure = any(gap.count is None for gap in missing.gaps)
    if missing.count and len(missing.gaps) > 1:
        yield f"  lost: {'at least ' if unsure else ''}{telling.counted(missing.count, 'event')}"
    yield from map(_gap, missing.gaps)
    for one in missing.undelivered:
        parts = []
        if one.waiting:
            parts.append(f"{telling.counted(one.waiting, 'delivery')} of these not made: dead letters")
        if one.untried or one.unsure:
            more = ", and maybe more" if one.unsure else ""
            parts.append(f"{one.untried:,} of these never tried{more}, if they were for it")
        yield f"  {one.target}: {'; '.join(parts)}"
    if missing and not missing.undelivered:
        yield "  none of these waited for a target, as far as deliveries.sqlite tells"


def _gap(gap: Gap) -> str:
    place = str(gap.first) if gap.last == gap.first else f"{gap.first} to {gap.last or 'the end'}"
    if gap.count is None and gap.last == gap.first:
        return f"  lost: what stood at {place}: nothing tells whether that was an event"
    if gap.count is None:
        return f"  lost: what stood from {place}: nothing tells how many events"
    return f"  lost: {place}: {telling.counted(gap.count, 'event')}"


def _fares(status: Status, doubts: Sequence[str]) -> Iterator[str]:
    if status.running:
        yield f"a router runs here: {telling.counted(status.rules, 'rule')}, configuration {status.version}"
    if status.refused and not _is_told(status.refused, doubts):
        yield f"what is in the files was refused, and the configuration before it runs on: {status.refused}"
    yield from (f"not ready: {why}" for why in status.ready)
    since = "" if status.since is None else f", the oldest event of {local(status.since)}"
    yield f"the store weighs {status.bytes:,} bytes{since}"
    yield from (_came(source) for source in status.sources if source.requests or source.refused)
    for target in status.targets:
        left = f"{target.pending:,} pending, {target.retrying:,} retrying, {target.dead:,} dead"
        why = _complaint(target) if target in _known(status) else None
        yield (
            f"{target.name}: {left}"
            + (f"; {why}" if why else "")
            + _failing(target)
            + _oldest(target)
            + _next_try(target, status)
        )
    if _is_left_waiting(status):
        yield "no router runs here: what waits is tried after the next start, and not before it is due"


def _is_told(refused: str, doubts: Sequence[str]) -> bool:
    """Whether each error for which a configuration was refused is among what is wrong with the files.

    The router may have been given other paths to the same files: what stands behind a path tells.
    """
    told = "\n".join(doubts)
    errors = [line for line in refused.splitlines() if ": warning: " not in line]
    return all((line.partition(":")[2] or line) in told for line in errors)


def _failing(target: TargetStatus) -> str:
    """Since when nothing has got through to a target."""
    condition = target.condition
    if condition is None or condition.failing_since is None:
        return ""
    why = f": {condition.reason}" if condition.state == "closed" else ""  # else it is told already
    return f"; nothing has got through since {relative(condition.failing_since)}{why}"


def _oldest(target: TargetStatus) -> str:
    """Since when the oldest of what waits does, where that is not what is told of the target anyway."""
    failing = None if target.condition is None else target.condition.failing_since
    if target.waiting_since is None or (failing and failing - target.waiting_since < NEARLY):
        return ""
    return f"; the oldest waits since {relative(target.waiting_since)}"


def _next_try(target: TargetStatus, status: Status) -> str:
    """When the next of what waits for a target is tried."""
    condition = target.condition
    if target.next_try is not None:
        is_waited_for = target.retrying or (condition is not None and condition.state != "closed")
        what = "the next try is" if status.running else "its first retry is due"
        return f"; {what} {relative(target.next_try)}" if is_waited_for else ""
    if condition is None or condition.state == "closed":
        return ""
    since = "" if condition.probe is None else f", from {relative(condition.probe)} on"
    return f"; the next event tries it{since}"


def _came(source: SourceStatus) -> str:
    """What came to a source since the router's start."""
    taken = f"{telling.counted(source.requests, 'request')} with {telling.counted(source.events, 'event')}"
    kept = f", {source.quarantined:,} of them in quarantine" if source.quarantined else ""
    refused = ", ".join(f"{count:,} {why}" for why, count in source.refused.items())
    return f"source {source.name}: {taken} taken{kept}" + (f"; refused: {refused}" if refused else "")


def _complaint(target: TargetStatus) -> str | None:
    """What an operator should look at."""
    if target.name == QUARANTINE and target.dead:
        return "verified requests that cannot be read; see router dead --target quarantine"
    if target.gone and target.pending + target.retrying + target.dead:
        return "no target has this name now; see router deliveries redrive --to, or drop"
    if target.blocked:
        keys = telling.counted(target.blocked, "key")
        hint = f"redrive or drop it, see router dead --target {target.name}"
        return f"{keys} blocked by a dead letter (order_by, on_poison: block): {hint}"
    condition = target.condition
    if condition is not None and condition.state != "closed":
        what = "nothing is sent" if condition.state == "open" else "one event at a time is sent"
        return f"{what}: {condition.reason}"
    return None


def _plain(diagnosis: Diagnosis) -> dict[str, object]:
    """The same with texts for paths."""
    return {
        "sound": diagnosis.sound,
        "databases": [
            {
                "path": str(one.path),
                "rows": one.rows,
                "damage": one.damage,
                "lost": one.lost,
                "unreadable": one.unreadable,
                "missing": one.missing,
            }
            for one in diagnosis.found
        ],
        "interrupted": list(map(str, diagnosis.interrupted)),
        "kept": [
            {
                "path": str(one.path),
                "broken": str(one.broken),
                "rows": one.rows,
                "lost": one.lost,
                "missing": one.missing,
            }
            for one in diagnosis.kept
        ],
        "losses": [
            {
                "file": str(path),
                "database": loss.database,
                "when": moment(loss.when),
                "missing": loss.missing,
            }
            for path, loss in diagnosis.losses
        ],
        "configuration": diagnosis.doubts,
        "status": diagnosis.status,
    }
