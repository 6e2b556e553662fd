from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client import request
from tests.process import RouterProcess

RULES = """
rules: [{name: all, match: {type: "*"}, targets: [console]}]
targets: {console: {log: {}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment with a store, whose router ran with its standard input closed."""
    folder = tmp_path_factory.mktemp("deployment")
    (folder / "router.yml").write_text(RULES)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@" <&-\n')
    python.chmod(0o755)
    with RouterProcess([folder], folder / "data", python=str(python)) as router:
        assert request("GET", f"{router.url}/healthz").status == 200
        assert router.terminate() == 0
    return folder


@pytest.mark.parametrize(
    ("words", "closed"),
    [
        ("events", "<&-"),
        ("events", "<&- >&- 2>&-"),
        ("doctor", "2>&-"),
        ("replay --since 1h", "<&-"),
        ("dead redrive", "<&- >&-"),
    ],
)
def test_commands_do_without_standard_streams(words: str, closed: str, folder: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m router {words} -d {shlex.quote(str(folder))}"
    done = subprocess.run(["sh", "-c", f"{line} {closed}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (">&-" not in closed.split())


def test_what_no_encoding_has_is_said_into_a_closed_stream_too(tmp_path: Path) -> None:
    """The status is that of the command, not of a message that nobody reads."""
    line = f"{shlex.quote(sys.executable)} -m router doctor --data no-$(printf '\\377') 2>&-"
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, check=False).returncode == 2
