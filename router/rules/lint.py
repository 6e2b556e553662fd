"""What only shows when all rules and targets are seen together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from router.config.files import Entry, entries
from router.config.problems import Path, Severity, did_you_mean
from router.config.report import Report
from router.config.yaml import Document
from router.patterns.operators import RULE_OPERATORS

_NEARLY = 0.8
"""How near to an operator (difflib's ratio) a field's name must be to be suspect."""


def check(documents: Sequence[Document], targets: Iterable[str], report: Report) -> None:
    """Names that are taken or unknown; a deployment without rules.

    Args:
        documents: the deployment's files, whatever their shape.
        targets: the names that `targets:` defines.
        report: where problems go.
    """
    known = list(targets)
    first: dict[str, Entry] = {}
    count = 0
    for entry in entries(documents, "rules"):
        count += 1
        if not isinstance(entry.value, dict):
            continue
        _check_name(entry, first, report)
        _check_targets(entry, known, report)
        _check_operators(entry, report)
    if documents and not count and not report.errors:
        what = "there are no rules: every event would be stored, and go nowhere"
        report.add(documents[0], (), "no-rules", what, severity=Severity.WARNING)


def _check_name(entry: Entry, first: dict[str, Entry], report: Report) -> None:
    name = entry.value.get("name")
    path = (*entry.path, "name")
    if not isinstance(name, str):
        return
    if name in first:
        there = first[name]
        line = there.document.place((*there.path, "name")).line
        hint = f"the first one is in {there.document.file}:{line}"
        report.add(entry.document, path, "duplicate-rule", f"the rule {name!r} is written twice", hint)
    else:
        first[name] = entry


def _check_targets(entry: Entry, known: Sequence[str], report: Report) -> None:
    seen: list[tuple[str, Any]] = []
    for path, name, transform in _ways(entry):
        if name not in known:
            hint = did_you_mean(name, known) or _defined(known)
            report.add(entry.document, path, "unknown-target", f"unknown target {name!r}", hint)
        elif (name, transform) in seen:
            what = f"the target {name!r} stands here twice with the same body"
            hint = "remove one: it is sent once anyway"
            report.add(entry.document, path, "duplicate-route", what, hint, severity=Severity.WARNING)
        seen.append((name, transform))


def _ways(entry: Entry) -> Iterator[tuple[Path, str, Any]]:
    ways = entry.value.get("targets")
    for index, way in enumerate(ways if isinstance(ways, list) else []):
        path: Path = (*entry.path, "targets", index)
        if isinstance(way, str):
            yield path, way, None
        elif isinstance(way, dict) and isinstance(way.get("target"), str):
            yield (*path, "target"), way["target"], way.get("transform")


def _check_operators(entry: Entry, report: Report) -> None:
    """Warn of a field under `data` that is nearly called like an operator: it would never match, silently."""
    for path in _payload_fields(entry.value.get("match"), (*entry.path, "match"), inside=False):
        name = str(path[-1])
        if (near := _near_operator(name)) is not None:
            what = f"{name!r} is a field of the payload here"
            hint = f"if you meant the operator, write {near!r}"
            report.add(entry.document, path, "operator", what, hint, key=True, severity=Severity.WARNING)


def _payload_fields(held: Any, path: Path, *, inside: bool) -> Iterator[Path]:
    if isinstance(held, dict):
        for name, value in held.items():
            if inside and name != "$or":
                yield (*path, name)
            yield from _payload_fields(value, (*path, name), inside=inside or name == "data")
    elif isinstance(held, list) and path[-1] == "$or":
        for index, branch in enumerate(held):
            yield from _payload_fields(branch, (*path, index), inside=inside)


@lru_cache(maxsize=10_000)
def _near_operator(name: str) -> str | None:
    near = difflib.get_close_matches(name, RULE_OPERATORS, n=1, cutoff=_NEARLY)
    return near[0] if near and name not in RULE_OPERATORS else None


def _defined(known: Sequence[str]) -> str:
    return f"the targets are {', '.join(known)}" if known else "no target is defined: write it under targets:"
