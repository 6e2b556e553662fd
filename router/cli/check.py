"""`router check`: every problem of the configuration at once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from router.cli.deployment import read
from router.config.files import lacks_targets
from router.config.report import Report
from router.rules.model import Deployment

BROKEN = 2
"""The exit status for a broken configuration."""


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON on standard output.")
def check(paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Say everything that is wrong with rules, targets and settings.

    PATHS are deployment folders or single YAML files; without any, the folder you are in. Of rules/ alone, or
    a part of it, it is not checked whether their targets exist.
    """
    report = Report()
    alone = lacks_targets(paths)
    if alone:
        report.lose("targets")
    _, deployment = read(paths or (Path(),), os.environ, report)
    if as_json:
        found = [problem.as_dict() for problem in report.problems]
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        for problem in report.problems:
            click.echo(str(problem), err=True)
        click.echo(_verdict(deployment, report), err=deployment is None)
        if alone and deployment is not None:
            click.echo("the targets are not among these files: whether there are such was not looked at")
    if deployment is None:
        sys.exit(BROKEN)


def _verdict(deployment: Deployment | None, report: Report) -> str:
    if deployment is None:
        return _counted(len(report.errors), "error")
    rules = _counted(len(deployment.rules), "rule")
    targets = _counted(len(deployment.targets), "target")
    warned = f", {_counted(warnings, 'warning')}" if (warnings := len(report.problems)) else ""
    return f"fine: {rules}, {targets}, version {deployment.version}{warned}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
