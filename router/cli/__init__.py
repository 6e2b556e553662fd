"""The command `router`: one module a subcommand, which is imported when it is asked for."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import Any

import click

from router import __version__
from router.compiled import is_compiled
from router.config.problems import ConfigurationProblems
from router.errors import ConfigurationError

BROKEN = 2
"""The exit status for a broken configuration and a command used wrongly."""

_COMMANDS = {
    "serve": "Run a deployment.",
    "demo": "Watch every cloud's samples go through the shipped rules.",
    "check": "Say everything that is wrong with a configuration.",
    "test": "Run the rules' own tests.",
    "explain": "Say why rules match an event or do not, and what targets would get.",
    "send": "Send events, or a cloud's own request, to a running router.",
    "emulate": "Behave as a cloud's sender: its shapes, signatures and retries.",
    "events": "Show what was accepted.",
    "deliveries": "Show, redirect or drop what is not delivered yet.",
    "dead": "Show dead letters; send them again, or drop them.",
    "replay": "Send archived events through today's rules again.",
    "doctor": "Say whether the store is sound, and keep what can be read of a damaged one.",
    "audit": "Look at, and vouch for, what `file` targets have written.",
    "target": "Try a target.",
    "schema": "Print the JSON Schema of the YAML, for editors.",
}
"""Each subcommand and what it does, in short; it stands in the module of its name."""


class _Group(click.Group):
    """Subcommands whose errors are told to a person, not traced.

    Until it is run, a subcommand is a name and a short text: `router dead` shall not wait for what only
    `router serve` needs.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See `click.Group.resolve_command`."""
        name, known, rest = super().resolve_command(ctx, args)
        return name, known and _imported(str(known.name)), rest

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            told = isinstance(error, ConfigurationProblems)
            click.echo(error.message if told else f"error: {error.message}", err=True)
            sys.exit(BROKEN)


def _imported(name: str) -> click.Command:
    found: click.Command = getattr(import_module(f"router.cli.{name}"), name)
    if not gc.isenabled():  # a process of its own: see `router.__main__`
        gc.freeze()
        gc.enable()
    return found


@click.group(
    cls=_Group,
    commands=[click.Command(name, short_help=told) for name, told in _COMMANDS.items()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(
    __version__,
    prog_name="router",
    message=f"%(prog)s %(version)s ({'compiled' if is_compiled() else 'interpreted'})",
)
def main() -> None:
    """Route events by rules: Amazon EventBridge's patterns on your own machine."""
