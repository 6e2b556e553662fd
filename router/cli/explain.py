"""`router explain`: why each rule does or does not match an event, and what its targets would get."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from click import style

from router.cli.reaching import Place as Deployed
from router.cli.reaching import ask, fail, placed
from router.config.files import entries, lacks_targets, read_files
from router.config.problems import Path as Inner
from router.config.problems import did_you_mean
from router.config.report import Report
from router.events import Event, EventError
from router.events.json_format import decode
from router.rules.explaining import BodyTold, Leaf, Locate, RuleTold, Verdicts, explained
from router.rules.load import load
from router.rules.model import Deployment, Place, Rule
from router.rules.testing import LEFT_OUT
from router.targets.registry import installed_kinds
from router.telemetry.characters import harmless, one_line

NONE_MATCHED = 1
"""The exit status when no rule that was asked about matches."""

SHOWN = 2_000
"""Characters of a body that a person is shown."""

_HEADS = {
    Verdicts.MATCH: style("match    ", "green", bold=True),
    Verdicts.NO_MATCH: style("no match ", "red", bold=True),
    Verdicts.NOT_ASKED: style("not asked", "yellow", bold=True),
}


@click.command()
@click.argument("event")
@click.option("--rule", "names", multiple=True, help="Only this rule; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@placed
def explain(event: str, names: tuple[str, ...], *, as_json: bool, place: Deployed) -> None:
    """Say for every rule why it does or does not match an event, and what its targets would get.

    EVENT is a file with one CloudEvent in JSON, `-` for standard input, or the sequence of a stored event
    (`router events`). An event in a file may leave out id, source and type, as those of rules' tests. It is
    asked of the rules as the files hold them now; no target is opened, and nothing is sent. Headers that
    are filled in for each event are shown, too, with the variables of the environment as they are written
    and `***` for secrets that stand in the file.

    Exit status 0 if a rule matches, 1 if none does.
    """
    deployment, locate = _rules(place.paths or (Path(),))
    known = [rule.name for rule in deployment.rules]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"the rules are {', '.join(known)}"
            fail(f"there is no rule {name!r}; {hint}")
    found, received = _event(event, place)
    told = [one for one in explained(deployment, found, locate, received) if not names or one.rule in names]
    if as_json:
        click.echo(json.dumps([_as_dict(one) for one in told], ensure_ascii=False, indent=2))
    else:
        for one in told:
            click.echo("\n".join(_lines(one)))
    if not any(one.verdict is Verdicts.MATCH for one in told):
        sys.exit(NONE_MATCHED)


def _rules(paths: Sequence[Path]) -> tuple[Deployment, Locate]:
    """The rules, without the environment of their targets, and where their parts are written.

    Raises:
        router.config.problems.ConfigurationProblems: everything that is wrong with them.
    """
    report = Report()
    if lacks_targets(paths):
        report.lose("targets")
    documents = read_files(paths, report)
    deployment = load(documents, installed_kinds(), None, report)
    report.raise_for_errors()
    assert deployment is not None
    written = {entry.value["name"]: entry for entry in entries(documents, "rules")}

    def locate(rule: Rule, path: Inner) -> Place:
        entry = written[rule.name]
        mark = entry.document.place((*entry.path, *path))
        return Place(entry.document.file, mark.line, mark.column)

    return deployment, locate


def _event(named: str, place: Deployed) -> tuple[Event, float]:
    """The event, and when it was accepted."""
    file = Path(named)
    if named.isdecimal() and not file.exists():
        told = ask(place, lambda operations: operations.event(int(named)))
        return decode(bytes(told.event)), told.received.timestamp()
    try:
        content = sys.stdin.buffer.read() if named == "-" else file.read_bytes()
    except OSError as error:
        fail(f"{named}: {error.strerror}")
    try:
        return decode(content, _fill), 0.0
    except EventError as error:
        fail(f"{named} holds no CloudEvent in JSON: {error.message}")


def _fill(attributes: dict[str, Any]) -> None:
    for name, value in LEFT_OUT.items():
        attributes.setdefault(name, value)


def _lines(told: RuleTold) -> Iterator[str]:
    why = f": {told.why}" if told.why else ""
    yield f"{_HEADS[told.verdict]} {told.rule} ({_line(told.place)}){one_line(why)}"
    for at, branch in enumerate(told.branches):
        if at:
            yield "    or"
        yield from (f"    {_leaf(leaf)}" for leaf in branch)
    for body in told.bodies:
        yield from _body(body)


def _leaf(leaf: Leaf) -> str:
    text = f"{_line(leaf.place)}: {one_line(str(leaf.verdict))}"
    return text if leaf.matched else style(text, "red")


def _body(told: BodyTold) -> Iterator[str]:
    if told.error is not None:
        yield style(f"    → {told.target}: a dead letter: {one_line(told.error)}", "red")
        return
    headers = "".join(f", {name}: {one_line(value)}" for name, value in told.headers.items())
    if told.body is None:
        yield f"    → {told.target}: the event itself{headers}"
    else:
        yield f"    → {told.target}: {told.content_type}{headers}"
        for line in harmless(told.body[:SHOWN]).split("\n"):
            yield f"      {line}"
        if len(told.body) > SHOWN:
            yield f"      … and {len(told.body) - SHOWN:,} characters more: --json shows them"


def _line(place: Place) -> str:
    return f"{place.file}:{place.line}"


def _as_dict(told: RuleTold) -> dict[str, Any]:
    return {
        "rule": told.rule,
        **_place(told.place),
        "verdict": told.verdict,
        "why": told.why,
        "branches": [[_leaf_as_dict(leaf) for leaf in branch] for branch in told.branches],
        "targets": [
            {
                "target": body.target,
                "body": body.body,
                "content_type": body.content_type,
                "headers": body.headers,
                "error": body.error,
            }
            for body in told.bodies
        ],
    }


def _leaf_as_dict(leaf: Leaf) -> dict[str, Any]:
    verdict = leaf.verdict
    return {
        "path": verdict.path,
        "condition": verdict.condition,
        "matched": verdict.matched,
        "found": verdict.found,
        "near": verdict.near,
        **_place(leaf.place),
    }


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "column": place.column}
