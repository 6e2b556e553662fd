"""A group of commands of which one is meant where none is named: `router dead` lists dead letters."""

from __future__ import annotations

import click


class Listing(click.Group):
    """Its command `list` may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Group.parse_args`."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
