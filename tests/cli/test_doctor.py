from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from router.cli import main
from tests.cli.operating import House, at_terminal, command

RENAMED = """
rules: [{{name: all, match: {{type: "*"}}, targets: [renamed]}}]
targets: {{renamed: {{http: {{url: "{url}/hook"}}}}}}
"""

PAGE = 4096


def test_a_sound_store(house: House) -> None:
    house.dead_letters(2)
    house.settle()
    told = house.told("doctor")
    assert told["sound"]
    assert told["status"]["running"] is house.running
    (hook,) = (one for one in told["status"]["targets"] if one["name"] == "hook")
    assert (hook["pending"], hook["retrying"], hook["dead"]) == (0, 0, 2)
    text = house.command("doctor").stdout
    assert "hook: 0 pending, 0 retrying, 2 dead" in text
    if house.running:
        assert text.startswith("a router runs here: 2 rules, configuration ")
    else:
        assert "deliveries.sqlite: " in text
        assert {Path(one["path"]).name for one in told["databases"]} >= {"deliveries.sqlite"}
        assert {one["damage"] for one in told["databases"]} == {None}


def test_what_a_running_router_suffers_from(running_house: House) -> None:
    house = running_house
    house.refuse(503)
    house.send(1)
    house.wait_for(1, state="retrying")
    house.stop()
    house.write(RENAMED)
    house.start()
    told = house.told("doctor", status=1)
    assert not told["sound"]
    text = house.command("doctor", status=1).stdout
    assert "hook: 0 pending, 1 retrying, 0 dead; no target has this name now" in text


def damage(path: Path, table: str) -> None:
    """Write over a table's root page, as a failing disk may."""
    with closing(sqlite3.connect(path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * PAGE : page * PAGE] = b"\xff" * PAGE
    path.write_bytes(content)


def test_a_damaged_store_is_told_and_what_can_be_read_is_kept(running_house: House) -> None:
    house = running_house
    house.send(2)
    house.receiver.wait_for(2)
    dead = house.dead_letters(2, first=2)
    house.stop()
    database = house.data / "deliveries.sqlite"
    damage(database, "watermarks")
    before = database.read_bytes()

    refused = command("serve", "--port", "0", cwd=house.folder)
    assert refused.returncode == 2
    assert "deliveries.sqlite is damaged" in refused.stderr
    assert "router doctor" in refused.stderr
    assert "router doctor" in house.command("events", status=2).stderr

    # Nobody can be asked here, so it only says what is wrong.
    text = house.command("doctor", status=1).stdout
    assert "deliveries.sqlite: " in text
    assert text.endswith("router doctor --yes rebuilds what is damaged from what can be read\n")
    assert database.read_bytes() == before

    told = house.told("doctor", "--yes")
    assert told["sound"]
    (kept,) = told["kept"]
    assert (kept["path"], Path(kept["broken"]).read_bytes()) == (str(database), before)
    (lost,) = kept["lost"]
    assert lost == "what was delivered and what was not: everything in the archive is delivered again"
    assert house.told("doctor")["kept"] == []

    house.mend()
    house.start()
    house.receiver.wait_for(6)
    assert [one["id"] for one in house.arrivals("/hook")[4:]] == ["0", "1"]
    assert [one["id"] for one in house.told("dead")["deliveries"]] == dead


def test_whoever_sits_there_is_asked(running_house: House) -> None:
    house = running_house
    house.dead_letters(1)
    house.stop()
    database = house.data / "deliveries.sqlite"
    damage(database, "watermarks")
    before = database.read_bytes()
    status, said = at_terminal(house, "n\n", "doctor")
    assert (status, database.read_bytes()) == (1, before)
    assert "deliveries.sqlite: " in said
    assert "Rebuild what is damaged from what can be read? [y/N]" in said
    status, said = at_terminal(house, "y\n", "doctor")
    assert status == 0
    assert "deliveries.sqlite: rebuilt with " in said
    assert "  lost: what was delivered and what was not" in said
    assert "hook: 0 pending, 0 retrying, 1 dead" in said


def test_no_store(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["doctor", "--data", str(tmp_path)])
    assert (done.exit_code, done.output) == (2, f"error: {tmp_path} holds no store\n")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "deliveries.sqlite").write_bytes(
        b"this is no database, and long enough to look like one" * 100
    )
    done = CliRunner().invoke(main, ["doctor", "--json", "--data", str(tmp_path)])
    assert done.exit_code == 1, done.output
    told = json.loads(done.output)
    assert "not a database" in told["databases"][0]["damage"]


@pytest.mark.parametrize("words", [["--repair"], ["extra"]])
def test_asked_wrongly(words: list[str]) -> None:
    assert CliRunner().invoke(main, ["doctor", *words]).exit_code == 2
