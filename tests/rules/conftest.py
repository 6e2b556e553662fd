"""A deployment from YAML text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from router.config.files import read_files
from router.config.report import Report
from router.rules.load import load
from router.rules.model import Deployment
from router.targets.registry import installed_kinds

Deploy = Callable[..., Deployment]

TARGETS = "targets: {one: {log: {}}, two: {log: {}}, three: {log: {}}}\n"


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """Writes rules (and targets, if they are not the usual three) to a file and loads it."""

    def made(rules: str, targets: str = TARGETS, environ: dict[str, str] | None = None) -> Deployment:
        file = tmp_path / "deployment.yml"
        file.write_text(targets + rules, encoding="utf-8")
        report = Report()
        deployment = load(read_files([file], report), installed_kinds(), environ or {}, report)
        report.raise_for_errors()
        assert deployment is not None
        return deployment

    return made
