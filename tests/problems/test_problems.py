"""Broken configurations, each beside the report that a person must get.

`<fault>.yml` (or a folder of that name) has the fault, `<fault>.txt` the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from router.config.files import read_files
from router.config.problems import Severity
from router.config.report import Report
from router.main import SOURCES
from router.rules.load import load
from router.settings import read_settings
from router.targets.registry import installed_kinds

HERE = Path(__file__).parent
FAULTS = sorted(path.stem for path in HERE.glob("*.txt"))


@pytest.fixture(autouse=True)
def _in_this_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


def report_of(fault: str) -> Report:
    path = Path(f"{fault}.yml")
    report = Report()
    documents = read_files([path if path.exists() else Path(fault)], report)
    read_settings(documents, SOURCES, {}, report)
    deployment = load(documents, installed_kinds(), {}, report)
    assert (deployment is None) is bool(report.errors)
    return report


@pytest.mark.parametrize("fault", FAULTS)
def test_the_report_is_what_a_person_needs(fault: str) -> None:
    found = "".join(f"{problem}\n" for problem in report_of(fault).problems)
    assert found == Path(f"{fault}.txt").read_text(encoding="utf-8")


def test_every_fault_has_its_report() -> None:
    faulty = {path.stem for path in HERE.iterdir() if path.suffix == ".yml" or path.is_dir()} - {
        "__pycache__"
    }
    assert faulty == set(FAULTS)


def test_twelve_faults_are_told_at_once() -> None:
    report = report_of("twelve-at-once")
    assert len({(problem.file, problem.line, problem.column) for problem in report.errors}) == 12


def places() -> Iterator[tuple[str, int, int, str]]:
    for fault in FAULTS:
        for problem in report_of(fault).problems:
            yield problem.file, problem.line, problem.column, problem.code


def test_places_are_in_their_files() -> None:
    for file, line, column, code in places():
        lines = Path(file).read_text(encoding="utf-8", errors="replace").split("\n")
        assert 1 <= line <= len(lines), (file, code)
        assert 1 <= column <= len(lines[line - 1]) + 1, (file, code)


def test_every_problem_says_something_a_program_can_use() -> None:
    for fault in FAULTS:
        for problem in report_of(fault).problems:
            assert problem.code.replace("-", "").isalpha()
            assert problem.severity in Severity
