"""What `serve`, `check` and `demo` have in common: reading a deployment from its files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from router.config.files import PARTS, Entry, entries, files_of, read_files
from router.config.problems import Problem, Severity
from router.config.report import Report
from router.config.yaml import Document
from router.delivery.retry import longest
from router.operations.address import BASE
from router.rules.load import load as load_rules
from router.rules.model import Deployment
from router.settings import Settings, is_loopback, read_settings
from router.sources.registry import installed_sources
from router.targets.base import Doubtful
from router.targets.registry import installed_kinds
from router.targets.spec import Retry
from router.ways import policy_of

SHORT = 60.0
"""Seconds: in less, hardly any receiver is started again."""


PASSING = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses that are about the moment, never about the event (RFC 9110, 15.5.9 and 15.6; RFC 6585; RFC 8470).

500 is not among them: there are receivers that answer an event so which they will never take.
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A deployment, checked.

    Attributes:
        data: where its store is, unless the command says otherwise: `data/` in the deployment's folder.
        warnings: what is odd about it, and keeps nobody from running it.
    """

    deployment: Deployment
    settings: Settings
    data: Path
    warnings: tuple[Problem, ...]


def read(
    paths: Sequence[Path], environ: Mapping[str, str], report: Report
) -> tuple[Settings, Deployment | None]:
    """Settings and rules of a deployment; None for rules that cannot run. What is wrong goes to `report`."""
    documents = read_files(paths, report)
    settings = read_settings(documents, installed_sources(), environ, report)
    _check_paths(documents, settings, report)
    deployment = load_rules(documents, installed_kinds(), environ, report)
    if deployment is not None:
        _doubt(documents, deployment, report, loopback=is_loopback(settings.host))
    return settings, deployment


def _doubt(documents: Sequence[Document], deployment: Deployment, report: Report, *, loopback: bool) -> None:
    """Warn of targets whose settings are odd."""
    for entry in entries(documents, "targets"):
        spec = deployment.targets.get(entry.name)
        if spec is None:
            continue
        _doubt_retry(entry, spec.retry, report)
        _doubt_first(entry, spec.retry, report)
        _doubt_reject(entry, spec.retry, report)
        if not isinstance(spec.settings, Doubtful):
            continue
        for key, what, hint in spec.settings.doubts(loopback=loopback):
            path = (*entry.path, spec.kind, *key.split("."))
            message = f"{'.'.join(map(str, path))}: {what}"
            report.add(entry.document, path, "doubtful", message, hint, key=True, severity=Severity.WARNING)


def _doubt_retry(entry: Entry, retry: Retry, report: Report) -> None:
    """Warn of a policy that gives up before a receiver can be started again, and does not say so.

    It says so by `for`, or by `attempts: 1`.
    """
    most = round(longest(policy_of(retry)), 3)
    said = retry.within if "within" in retry.model_fields_set else SHORT
    if retry.attempts > 1 and most < min(said, SHORT):
        path = (*entry.path, "retry")
        what = (
            f"{'.'.join(map(str, path))}: gives up {most:g}s after the first attempt at the latest, "
            f"{retry.attempts} attempts in all, and maybe at once: each wait may be anything from nothing "
            "to its bound"
        )
        hint = f"raise attempts, first and most; if so short a time is meant, say `for: {most:g}s`"
        report.add(entry.document, path, "doubtful", what, hint, key=True, severity=Severity.WARNING)


def _doubt_first(entry: Entry, retry: Retry, report: Report) -> None:
    """Warn of a policy of which `for` is over before its first pause may be."""
    if retry.attempts > 1 and retry.first > retry.within:
        path = (*entry.path, "retry", "first")
        what = (
            f"{'.'.join(map(str, path))}: the first pause is {retry.first:g}s at most, and `for` ends after "
            f"{retry.within:g}s: there may be no second attempt before that"
        )
        hint = "make first shorter: pauses double from there, up to most"
        report.add(entry.document, path, "doubtful", what, hint, key=True, severity=Severity.WARNING)


def _doubt_reject(entry: Entry, retry: Retry, report: Report) -> None:
    """Warn of statuses that are final here, and never say anything about an event."""
    for index, status in enumerate(retry.reject):
        if status in PASSING:
            path = (*entry.path, "retry", "reject", index)
            what = (
                f"{'.'.join(map(str, path[:-1]))}: {status} {HTTPStatus(status).phrase} says that it passes: "
                "what is answered so becomes a dead letter at once, without a second attempt"
            )
            hint = "leave it out; retry.attempts and retry.for say how long a target is tried"
            report.add(entry.document, path, "doubtful", what, hint, severity=Severity.WARNING)


def _check_paths(documents: Sequence[Document], settings: Settings, report: Report) -> None:
    """Report sources that nobody could reach, because the router answers there itself."""
    places = {entry.name: entry for entry in entries(documents, "sources")}
    for source in settings.sources:
        for path in source.paths:
            if source.name in places and (own := _own(path)) is not None:
                entry = places[source.name]
                what = f"sources.{source.name}.path: {path} is the router's own: {own}"
                hint = f"give the source another path, such as /{source.name}"
                report.add(entry.document, (*entry.path, "path"), "path", what, hint)


def _own(path: str) -> str | None:
    """What the router itself answers with at a path; None if it is free."""
    if path == BASE or path.startswith(f"{BASE}/"):
        return f"its API is below {BASE}"
    return _OWN.get(path)


_OWN = {
    "/healthz": "there it says that it lives",
    "/readyz": "there it says whether it takes events",
}
"""What `router.web.app` answers, beside the API."""


def load(paths: Sequence[Path], environ: Mapping[str, str] = os.environ) -> Loaded:
    """Read a deployment that is to run; no path means this folder.

    Raises:
        router.config.problems.ConfigurationProblems: everything that is wrong with it.
    """
    places = tuple(paths) or (Path(),)
    report = Report()
    settings, deployment = read(places, environ, report)
    report.raise_for_errors()
    assert deployment is not None
    return Loaded(deployment, settings, home_of(places[0]) / "data", report.problems)


def doubts(paths: Sequence[Path], running: str | None) -> list[str]:
    """What speaks against running what the files hold now, as far as that is known without its environment.

    Args:
        paths: the deployment's; no path means this folder, if it is one.
        running: the version that a router runs; None where none does.
    """
    places = tuple(paths) or (Path(),)
    if not (paths or files_of(places, Report())):
        return []
    report = Report()
    documents = read_files(places, report)
    deployment = load_rules(documents, installed_kinds(), None, report)
    read_settings(documents, installed_sources(), os.environ, report)
    errors = [str(problem) for problem in report.errors if problem.code != "environment"]
    if errors:
        runs = f"the router runs the one before, {running}" if running else "no router starts with it"
        return [f"the configuration in the files is broken, and {runs}", *errors]
    if running and deployment is not None and deployment.version != running:
        what = (
            f"the files hold another configuration ({deployment.version}) than the one that runs ({running})"
        )
        return [f"{what}: it was refused (reload.refused in the log says why), or not read yet; try SIGHUP"]
    return []


def home_of(place: Path) -> Path:
    """A deployment's folder: a file's own, and the one around `rules/` or `targets/`."""
    return place.resolve().parent if place.is_file() or place.resolve().name in PARTS else place
