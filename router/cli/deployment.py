"""What `serve`, `check` and `demo` have in common: reading a deployment from its files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.config.files import PARTS, read_files
from router.config.problems import Problem
from router.config.report import Report
from router.main import SOURCE_PATHS
from router.rules.load import load as load_rules
from router.rules.model import Deployment
from router.settings import Settings, read_settings
from router.targets.registry import installed_kinds


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
    settings = read_settings(documents, SOURCE_PATHS, environ, report)
    return settings, load_rules(documents, installed_kinds(), environ, report)


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


def home_of(place: Path) -> Path:
    """A deployment's folder: a file's own, and the one around `rules/` or `targets/`."""
    return place.resolve().parent if place.is_file() or place.resolve().name in PARTS else place
