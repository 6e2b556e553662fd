"""`router serve`: run a deployment."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import anyio
import click

from router.cli.deployment import load
from router.config import secrets
from router.config.problems import Problem
from router.config.watching import Files
from router.lifetime import serve as run
from router.main import Parts
from router.telemetry import log
from router.telemetry.pump import Pump


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--host", help="Address to listen on. Default: 127.0.0.1, or what router.yml says.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the store. Default: data/ beside PATHS."
)
@click.option("--insecure", is_flag=True, help="Listen beyond loopback although anybody could send.")
def serve(
    paths: tuple[Path, ...], host: str | None, port: int | None, data: Path | None, *, insecure: bool
) -> None:
    """Run the deployment in PATHS (folders or files; default: this folder) until SIGTERM.

    A changed file, or SIGHUP, has it read its configuration again; a broken one leaves the old one running.

    What was answered with success is on disk, and is delivered, whatever happens to this process.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # a `log` target's lines are JSON, whatever the locale says
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    pump = Pump(sys.stderr)
    log.configure("info", pump)
    said: dict[str, Any] = {
        name: value for name, value in (("host", host), ("port", port)) if value is not None
    }

    doubts = Doubts()
    files = Files(paths or (Path(),))

    def parts() -> Parts:
        with secrets.noted() as read:
            try:
                loaded = load(paths)
            finally:
                files.follow(read)
        for problem in doubts.news(loaded.warnings):
            click.echo(str(problem), err=True)
        return Parts(
            deployment=loaded.deployment,
            settings=replace(loaded.settings, **said),
            data=(data or loaded.data).resolve(),
            insecure=insecure,
        )

    anyio.run(run, parts(), pump.close, parts, files, backend_options={"use_uvloop": True})


class Doubts:
    """What a configuration is warned of, each time it is read: only what is new is told again."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str, str]] = set()

    def news(self, warnings: Sequence[Problem]) -> list[Problem]:
        """Those that the last reading did not have; one that has only moved to another line is not new."""
        told, self._told = self._told, {_what(one) for one in warnings}
        return [one for one in warnings if _what(one) not in told]


def _what(problem: Problem) -> tuple[str, str, str]:
    return problem.file, problem.code, problem.message
