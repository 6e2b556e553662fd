"""`router target test`: try a target with one marked event, and show what came of it."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout

import anyio
import click

from router.cli.deployment import load
from router.cli.reaching import Place, fail, is_held, placed
from router.cli.trials import as_json, lines
from router.config.problems import did_you_mean
from router.settings import is_loopback
from router.targets.base import Delivered, Surroundings
from router.targets.file_settings import FileSettings
from router.targets.registry import installed_kinds
from router.targets.spec import TargetSpec
from router.targets.trial import attempt

FELL_SHORT = 1
"""The exit status when the event was not taken."""


@click.group()
def target() -> None:
    """Try a target."""


@target.command(short_help="Send one test event to a target, and show what comes of it.")
@click.argument("name")
@click.option("--json", "told_as_json", is_flag=True, help="Print it as JSON on standard output.")
@placed
def test(name: str, place: Place, *, told_as_json: bool) -> None:
    """Send one marked test event straight to the target NAME, past rules and store.

    Its type is rule-router.test, and it carries the extension ruleroutertest: true. What was sent and
    answered is shown, secrets are not. No router need run; a file target is not tried beside one that runs,
    and an audit chain never is. The exit status is 1 if it was not taken, and 2 if it was not tried.
    """
    loaded = load(place.paths)
    spec = loaded.deployment.targets.get(name)
    if spec is None:
        known = list(loaded.deployment.targets)
        hint = did_you_mean(name, known) or f"the targets are {', '.join(known) or 'none'}"
        raise click.UsageError(f"there is no target {name!r}; {hint}")
    if (why := _untriable(name, spec, place)) is not None:
        fail(why)
    place.folder.mkdir(parents=True, exist_ok=True)
    surroundings = Surroundings(
        name, place.folder, is_loopback(loaded.settings.host), frozenset(spec.retry.reject)
    )
    # A `log` target writes to standard output, which is a program's here.
    with redirect_stdout(sys.stderr if told_as_json else sys.stdout):
        made = anyio.run(attempt, spec, surroundings, installed_kinds(), backend_options={"use_uvloop": True})
    written = json.loads(loaded.deployment.text)["targets"][name][spec.kind]
    if told_as_json:
        click.echo(json.dumps(as_json(spec, made, written), ensure_ascii=False, indent=2))
    else:
        for line in lines(spec, made, written):
            click.echo(line)
    if not isinstance(made.outcome, Delivered):
        sys.exit(FELL_SHORT)


def _untriable(name: str, spec: TargetSpec, place: Place) -> str | None:
    """Why nobody should write to a file target from outside of its router; None where one may."""
    if not isinstance(spec.settings, FileSettings):
        return None
    instead = "send an event that a rule routes to it instead (router send)"
    if spec.settings.chain:
        return (
            f"{name} is an audit chain, in which a test record would stay for good: nothing was written. "
            f"To see that it takes events, {instead}, and then ask router audit verify"
        )
    if is_held(place.folder):
        return (
            f"a router runs on {place.folder}, and it alone writes its files: nothing was written to {name}. "
            f"To try it, {instead}, and see router deliveries --target {name}; or stop the router first"
        )
    return None
