"""Rules and targets, seen together: names that are taken, unknown or unused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from router.config.files import Entry, entries
from router.config.problems import Path, Severity, did_you_mean
from router.config.report import Report
from router.config.yaml import Document
from router.targets.base import AboutRules, Telling
from router.targets.spec import TargetSpec

_BARE_VARIABLE = re.compile(r"(?<![\\$\w])\$([A-Z_][A-Z0-9_]+)")
"""What a shell would fill in. Names of variables are written in capitals (POSIX, 8.1)."""


def check(documents: Sequence[Document], targets: Mapping[str, TargetSpec | None], report: Report) -> None:
    """Names that are taken, unknown or unused; a deployment without rules.

    Args:
        documents: the deployment's files, whatever their shape.
        targets: what `targets:` defines; None for what is broken.
        report: where problems go.
    """
    known = list(targets)
    first: dict[str, Entry] = {}
    used: set[str] = set()
    count = 0
    for entry in entries(documents, "rules"):
        count += 1
        if isinstance(entry.value, dict):
            _check_name(entry, first, report)
            _check_targets(entry, known, report)
            used.update(name for _, name, _ in _ways(entry))
    used.update(_told(documents, targets, report))
    _check_variables(documents, report)
    if report.errors or not documents:
        return  # a broken rule may use any target
    if count:
        _check_use(documents, used, report)
        _check_rules_named(documents, targets, first, report)
    else:
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
            if "targets" not in report.lost:
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


def _told(
    documents: Sequence[Document], targets: Mapping[str, TargetSpec | None], report: Report
) -> Iterator[str]:
    """The targets that others name, to have them told of something; those that cannot be are reported."""
    for entry in entries(documents, "targets"):
        for path, told in _namings(entry, targets.get(entry.name)):
            others = [name for name in targets if name != entry.name]
            if told == entry.name:
                of = "what it has not taken itself" if path[-1] == "dead_letter" else "this by itself"
                what = f"the target {told!r} would be told of {of}"
                report.add(
                    entry.document,
                    path,
                    str(path[-1]).replace("_", "-"),
                    what,
                    "name another target, or leave it out",
                )
            elif told in targets:
                yield told
            elif "targets" not in report.lost:
                hint = did_you_mean(told, others) or _defined(others)
                report.add(entry.document, path, "unknown-target", f"unknown target {told!r}", hint)


def _namings(entry: Entry, spec: TargetSpec | None) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where a target names others."""
    told = entry.value.get("dead_letter") if isinstance(entry.value, dict) else None
    if isinstance(told, str):
        yield (*entry.path, "dead_letter"), told
    if spec is not None and isinstance(spec.settings, Telling):
        for path, name in spec.settings.tells():
            yield (*entry.path, spec.kind, *path), name


def _check_rules_named(
    documents: Sequence[Document],
    targets: Mapping[str, TargetSpec | None],
    rules: Iterable[str],
    report: Report,
) -> None:
    """Warn of targets' settings about rules that do not exist."""
    known = list(rules)
    for entry in entries(documents, "targets"):
        spec = targets.get(entry.name)
        if spec is None or not isinstance(spec.settings, AboutRules):
            continue
        for path, name in spec.settings.about_rules():
            if name not in known:
                what, hint = f"no rule is called {name!r}", did_you_mean(name, known)
                report.add(
                    entry.document,
                    (*entry.path, spec.kind, *path),
                    "unknown-rule",
                    what,
                    hint,
                    key=True,
                    severity=Severity.WARNING,
                )


def _check_use(documents: Sequence[Document], used: set[str], report: Report) -> None:
    for entry in entries(documents, "targets"):
        if entry.name not in used:
            what = f"no rule sends anything to the target {entry.name!r}"
            hint = "name it under targets: of a rule, or remove it"
            report.add(
                entry.document, entry.path, "unused-target", what, hint, key=True, severity=Severity.WARNING
            )


def _check_variables(documents: Sequence[Document], report: Report) -> None:
    """Warn of variables in a shell's short form: they stay the text that is written."""
    for entry in entries(documents, "targets"):
        for path, text in _texts(entry.value, entry.path):
            for found in _BARE_VARIABLE.finditer(text):
                what = f"{found.group()} is plain text: nothing is filled in"
                hint = f"write ${{{found[1]}}}, if the environment variable is meant"
                report.add(
                    entry.document, path, "variable", what, hint,
                    offset=found.start(), severity=Severity.WARNING,
                )  # fmt: skip


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, held in value.items():
            yield from _texts(held, (*path, key))
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _texts(held, (*path, index))


def _defined(known: Sequence[str]) -> str:
    return f"the targets are {', '.join(known)}" if known else "no target is defined: write it under targets:"
