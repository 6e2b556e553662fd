"""The command `router`: one module a subcommand."""

from __future__ import annotations

import sys
from typing import Any

import click

from router import __version__
from router.cli.audit import audit
from router.cli.check import check
from router.cli.dead import dead
from router.cli.deliveries import deliveries
from router.cli.demo import demo
from router.cli.doctor import doctor
from router.cli.emulate import emulate
from router.cli.events import events
from router.cli.explain import explain
from router.cli.replay import replay
from router.cli.schema import schema
from router.cli.send import send
from router.cli.serve import serve
from router.cli.target import target
from router.cli.test import test
from router.compiled import is_compiled
from router.config.problems import ConfigurationProblems
from router.errors import ConfigurationError

BROKEN = 2
"""The exit status for a broken configuration and a command used wrongly."""


class _Group(click.Group):
    """Subcommands whose errors are told to a person, not traced."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            told = isinstance(error, ConfigurationProblems)
            click.echo(error.message if told else f"error: {error.message}", err=True)
            sys.exit(BROKEN)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(
    __version__,
    prog_name="router",
    message=f"%(prog)s %(version)s ({'compiled' if is_compiled() else 'interpreted'})",
)
def main() -> None:
    """Route events by rules: Amazon EventBridge's patterns on your own machine."""


_COMMANDS = (
    serve,
    demo,
    check,
    test,
    explain,
    send,
    emulate,
    events,
    deliveries,
    dead,
    replay,
    doctor,
    audit,
    target,
    schema,
)

for command in _COMMANDS:
    main.add_command(command)
