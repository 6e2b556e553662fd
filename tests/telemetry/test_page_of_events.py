"""What the log says, held to the table of it in README.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HOME = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
GIVEN_ON = {"desk.py": {"what"}}
"""Where a name comes from the caller, which is looked at as well."""


def names(call: ast.Call, file: str) -> Iterator[str]:
    """The names of events that a call may log; every form of a name is one that is known here."""
    for part in ast.walk(call.args[0]):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value
    if isinstance(call.args[0], ast.Name):
        assert call.args[0].id in GIVEN_ON.get(file, set()), f"{file}:{call.lineno}"


def logged() -> set[str]:
    found: set[str] = set()
    for path in (HOME / "router").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            owner, method = node.func.value, node.func.attr
            is_log = isinstance(owner, ast.Name) and owner.id in {"log", "_log"} and method in LEVELS
            if is_log or (path.name in GIVEN_ON and method == "_note"):
                found.update(names(node, path.name))
    return found


def told() -> set[str]:
    page = (HOME / "README.md").read_text()
    _, _, section = page.partition("## What the log says\n")
    rows = [
        line.split("|")[1] for line in section.partition("\n## ")[0].splitlines() if line.startswith("| `")
    ]
    return set(re.findall(r"`([a-z]+\.[a-z_]+)`", "\n".join(rows)))


def test_every_event_of_the_log_is_in_the_table_and_no_other() -> None:
    assert len(logged()) > 40
    assert logged() == told()
