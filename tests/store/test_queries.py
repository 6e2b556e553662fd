"""The statements in `.sql` files: all are loaded, all are valid, and the hot ones use their index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from importlib import resources

import pytest

from router.store import queries

FILES = ["events.sql", "deliveries.sql"]


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(queries.load(request.param)["schema"])
    yield connection
    connection.close()


def plan(database: sqlite3.Connection, statement: str) -> list[str]:
    parameters = statement.count("?") if "?1" not in statement else 1
    return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", (1,) * parameters)]


@pytest.mark.parametrize("file", FILES)
def test_every_name_is_loaded(file: str) -> None:
    text = resources.files("router.store").joinpath(file).read_text(encoding="utf-8")
    assert set(queries.load(file)) == set(re.findall(r"-- name: (\w+)", text))
    assert all(queries.load(file).values())


@pytest.mark.parametrize(
    ("database", "statement"),
    [
        pytest.param(file, statement, id=f"{file}:{name}")
        for file in FILES
        for name, statement in queries.load(file).items()
        if name != "schema"
    ],
    indirect=["database"],
)
def test_every_statement_is_valid(database: sqlite3.Connection, statement: str) -> None:
    plan(database, statement)


@pytest.mark.parametrize("database", ["deliveries.sql"], indirect=True)
@pytest.mark.parametrize(
    "name",
    [
        "due_of_target",
        "exceptions_between",
        "exceptions_after",
        "due",
        "upcoming",
        "standing",
        "early",
        "exceptions_of_event",
        "open_between",
        "ended_below",
    ],
)
def test_the_backlog_of_one_target_is_no_work_for_another(database: sqlite3.Connection, name: str) -> None:
    """Each looks rows up by their target: `(target=?`; none walks through all rows."""
    steps = plan(database, queries.load("deliveries.sql")[name])
    rows = [step for step in steps if "exceptions" in step or step.endswith((" e", "e)"))]
    assert rows
    assert not [step for step in rows if step.startswith("SCAN exceptions")], steps
    assert [step for step in rows if "(target=?" in step], steps
