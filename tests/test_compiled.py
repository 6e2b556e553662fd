"""Compiled and interpreted: the same answers, and never one that was made of other sources."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import router
from router import compiled
from router.duplicates import window
from router.events import modesty
from router.patterns import Index, parse
from router.patterns.index import scan

REPOSITORY = Path(router.__file__).parents[1]
TOLD = """
from router import compiled
from router.patterns.index import scan
print(compiled.is_compiled(), scan.__file__)
"""

SOURCES = [str(one.relative_to(REPOSITORY)) for name in compiled.MODULES for one in compiled.sources(name)]

SUITES = (
    "patterns/test_index",
    "patterns/test_together",
    "duplicates/test_window",
    "events/test_modesty",
    "events/test_short_way",
)
"""What says what the compiled modules have to do."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package once more, with whatever is compiled of it."""
    shutil.copytree(REPOSITORY / "router", tmp_path / "router")
    return tmp_path


def told(folder: Path) -> tuple[bool, str]:
    """Whether the package in a folder is compiled, and the file of its module `scan`."""
    environ = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", TOLD]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True)
    is_compiled, file = done.stdout.split()
    return is_compiled == "True", str(Path(file).relative_to(folder))


def interpreted(folder: Path) -> None:
    shutil.rmtree(folder / "router/__compiled__", ignore_errors=True)


@pytest.fixture(scope="module")
def extensions() -> list[Path]:
    """What is compiled here. Where a compiler is missing its tests are skipped; in CI there is one."""
    if not compiled.is_compiled() and os.environ.get("CI") != "true":
        pytest.skip("all is interpreted: no C compiler, or sources have changed since `pip install`")
    return compiled.extensions()


def test_the_tests_run_what_is_compiled(extensions: list[Path]) -> None:
    assert {Path(str(module.__file__)) for module in (scan, window, modesty)} <= {*extensions}
    command = [sys.executable, "-m", "router", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"router {router.__version__} (compiled)\n"


def test_what_is_compiled_serves_a_package_of_the_same_sources(extensions: list[Path], copy: Path) -> None:
    here = compiled.place("router.patterns.index").relative_to(REPOSITORY)
    assert told(copy) == (True, f"{here}/scan{EXTENSION_SUFFIXES[0]}")


@pytest.mark.parametrize("source", SOURCES)
def test_a_changed_source_is_not_run_from_what_was_compiled_before(
    extensions: list[Path], copy: Path, source: str
) -> None:
    with (copy / source).open("a") as file:
        file.write("# changed\n")
    assert told(copy) == (False, "router/patterns/index/scan.py")


def test_interpreted_it_gives_the_same_answers(copy: Path) -> None:
    """The suites that say what each has to do, on the sources, whatever runs in this process."""
    interpreted(copy)
    assert told(copy) == (False, "router/patterns/index/scan.py")
    shutil.copytree(REPOSITORY / "tests", copy / "tests", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    suites = [f"tests/{one}.py" for one in SUITES]
    command = [sys.executable, "-m", "pytest", "-q", "-x", *suites, "-k", "not among_all_others"]
    environ = os.environ | {"PYTHONPATH": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:]


MANY = [f"{'ab' * 50}{number}" for number in range(20_000)]


@pytest.mark.parametrize(
    ("wildcard", "values"),
    [
        pytest.param("*?x*y", MANY, id="many values"),
        pytest.param("*abababababab*?x*y", MANY, id="many values, one part in common"),
        pytest.param("*?x*y", "ab" * 500_000, id="a long value"),
    ],
)
def test_signals_are_heard_while_an_event_is_matched(wildcard: str, values: object) -> None:
    """A search that lasts long can be ended by a signal, and other threads go on beside it."""
    parts = ("".join(part) for part in itertools.product("ab", repeat=10))
    rules = {part: parse(json.dumps({"a": [{"wildcard": wildcard.replace("?", part)}]})) for part in parts}
    event = json.dumps({"a": values}).encode()
    match, again = Index(rules).match, Index(rules).match  # which remembers nothing yet
    began = time.perf_counter()
    match(event)
    whole = time.perf_counter() - began

    def interrupt(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, whole / 3)
        with pytest.raises(TimeoutError) as interrupted:
            again(event)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert any("patterns/index" in str(entry.path) for entry in interrupted.traceback)  # and not behind it


def build(folder: Path, **environ: str) -> zipfile.ZipFile:
    """The wheel that is built of a copy of the project."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "rules", "targets"):
        here = REPOSITORY / name
        (shutil.copytree if here.is_dir() else shutil.copy)(here, folder / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(folder)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | environ)
    (wheel,) = (folder / "dist").iterdir()
    return zipfile.ZipFile(wheel)


def test_a_wheel_has_it_compiled_and_says_for_what(extensions: list[Path], copy: Path) -> None:
    with build(copy) as wheel:
        assert {str(extension.relative_to(REPOSITORY)) for extension in extensions} <= {*wheel.namelist()}
        wheel.extractall(copy / "site")
    assert "none-any" not in str(wheel.filename)
    assert told(copy / "site")[0]


def test_without_a_compiler_a_wheel_is_of_pure_python(copy: Path) -> None:
    interpreted(copy)
    with build(copy, CC="no-such-compiler") as wheel:
        assert not [name for name in wheel.namelist() if "__compiled__" in name]
        wheel.extractall(copy / "site")
    assert str(wheel.filename).endswith("py3-none-any.whl")
    assert told(copy / "site") == (False, "router/patterns/index/scan.py")


def test_where_nothing_can_be_written_a_wheel_is_of_pure_python(copy: Path) -> None:
    interpreted(copy)
    (copy / "router/__compiled__").write_text("in the way, as a read-only disk is")
    with build(copy) as wheel:
        assert not [name for name in wheel.namelist() if name.endswith(EXTENSION_SUFFIXES[0])]
    assert str(wheel.filename).endswith("py3-none-any.whl")


def test_it_is_compiled_where_no_build_of_the_same_sources_clears_up(copy: Path) -> None:
    """Two of them may run at once, for two interpreters."""
    interpreted(copy)
    compiler, log = copy / "compiler", copy / "log"
    compiler.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(log))}\nexit 1\n')
    compiler.chmod(0o755)
    build(copy, CC=str(compiler)).close()
    mine = copy / compiled.place("router").relative_to(REPOSITORY)
    assert f" {mine}/" in log.read_text()


def test_what_is_missing_is_compiled_and_nothing_of_other_interpreters_is_lost(
    extensions: list[Path], copy: Path
) -> None:
    here = [copy / one.relative_to(REPOSITORY) for one in extensions]
    here[-1].unlink()
    other = here[-1].with_name("scan.of-another.so")
    other.touch()
    (old := copy / "router/__compiled__/of-other-sources").mkdir()
    build(copy).close()
    assert set((copy / "router/__compiled__").rglob("*.so")) == {other, *here}
    assert not old.exists()
    assert told(copy)[0]
