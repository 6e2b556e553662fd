"""`router test`: run the tests that rules carry."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from router.config.files import lacks_targets, read_files
from router.config.report import Report
from router.rules.load import load
from router.rules.model import Deployment
from router.rules.testing import Result, run_tests
from router.targets.registry import installed_kinds

FELL_SHORT = 1
"""The exit status when a test failed."""


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print every result as JSON on standard output.")
def test(paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Run the rules' own tests. No target is opened, so the environment of targets is not needed.

    PATHS are deployment folders or single YAML files; without any, the folder you are in.
    """
    deployment = _rules(paths or (Path(),))
    results = list(run_tests(deployment))
    failed = [result for result in results if not result.passed]
    if as_json:
        click.echo(json.dumps([_as_dict(result) for result in results], ensure_ascii=False, indent=2))
    else:
        _tell(failed)
        click.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed")
        if untested := [rule.name for rule in deployment.rules if not rule.tests]:
            click.echo(f"without tests: {', '.join(untested)}")
    if failed:
        sys.exit(FELL_SHORT)


def _rules(paths: Sequence[Path]) -> Deployment:
    """Rules, and the names of targets.

    Raises:
        router.config.problems.ConfigurationProblems: everything that is wrong with them.
    """
    report = Report()
    if lacks_targets(paths):
        report.lose("targets")
    deployment = load(read_files(paths, report), installed_kinds(), None, report)
    report.raise_for_errors()
    assert deployment is not None
    return deployment


def _tell(failed: Sequence[Result]) -> None:
    for result in failed:
        name = f"{result.test.name!r} of " if result.test.name else "a test of "
        click.echo(f"{result.test.place}: failed: {name}{result.rule.name}: {result.why}", err=True)


def _as_dict(result: Result) -> dict[str, Any]:
    place = result.test.place
    return {
        "rule": result.rule.name,
        "test": result.test.name,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "passed": result.passed,
        "why": result.why,
    }
