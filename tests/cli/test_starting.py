"""What a command imports: an operator's question does not wait for what only a running router needs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from router.cli import main

SERVER = {"router.main", "starlette", "uvicorn", "watchfiles"}
"""What a router is made of that listens."""

ANY = SERVER | {"anyio", "cryptography", "pydantic", "pyreqwest", "rich", "structlog", "yaml"}
"""What no command's name and short text need."""

TELLING = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from router.__main__ import main
main()
"""

RULES = """
rules: [{name: all, match: {type: "*"}, targets: [console]}]
targets: {console: {log: {}}}
"""


def imported(folder: Path, *words: str) -> tuple[set[str], int]:
    """The modules that a command's process has imported by its end, and its status."""
    done = subprocess.run(
        [sys.executable, "-c", TELLING, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return set(done.stderr.splitlines()[-1].split()), done.returncode


@pytest.mark.parametrize("words", ["--version", "--help"])
def test_it_says_what_it_is_without_any_of_its_parts(tmp_path: Path, words: str) -> None:
    found, status = imported(tmp_path, words)
    assert status == 0
    assert "router.cli" in found
    assert not found & ANY


@pytest.mark.parametrize("words", ["check", "test", "schema", "dead --help", "doctor --help", "audit --help"])
def test_a_command_leaves_the_server_alone(tmp_path: Path, words: str) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    found, status = imported(tmp_path, *words.split())
    assert status == 0
    assert f"router.cli.{words.partition(' ')[0]}" in found
    assert not found & SERVER


def test_a_stopped_routers_store_is_asked_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/lock").touch()
    found, status = imported(tmp_path, "dead", "list", "--target", "console")
    assert status == 0
    assert "router.store.sqlite" in found
    assert not found & SERVER


def test_what_a_command_leaves_behind_is_collected_once_it_runs(tmp_path: Path) -> None:
    """While it is imported, it is not: that takes a quarter of a start."""
    (tmp_path / "router.yml").write_text(RULES)
    code = "import atexit, gc; atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000))"
    run = f"{code}; from router.__main__ import main; main()"
    command = [sys.executable, "-c", run, "check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True True"


@pytest.mark.parametrize("name", sorted(main.commands))
def test_each_command_is_where_its_name_says(name: str) -> None:
    command = getattr(import_module(f"router.cli.{name}"), name)
    assert isinstance(command, click.Command)
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    assert f"Usage: router {name} " in done.output.replace("Usage: main ", "Usage: router ")
    assert done.output.count("\n") > 2


def test_a_misspelt_command_is_told_what_was_meant() -> None:
    done = CliRunner().invoke(main, ["chek"])
    assert done.exit_code == 2
    assert "'check'" in done.output
