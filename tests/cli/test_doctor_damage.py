"""`router doctor` and stores that are damaged, or of which something is gone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from router.cli import main
from router.store.advice import UNBEGUN
from router.store.log.format import BEGIN, HEAD
from router.store.log.walking import Group, LogFile
from tests.cli.operating import House, at_terminal, command
from tests.store.logs import tear

PAGE = 4096


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

    told = house.told("doctor", "--yes", status=4)  # what is delivered again waits for a router
    assert told["sound"]
    (kept,) = told["kept"]
    assert (kept["path"], Path(kept["broken"]).read_bytes()) == (str(database), before)
    (lost,) = kept["lost"]
    assert lost == "what was delivered and what was not: everything in the archive is delivered again"
    assert house.told("doctor", status=4)["kept"] == []

    house.mend()
    house.start()
    house.receiver.wait_for(6)
    assert [one["id"] for one in house.arrivals("/hook")[4:]] == ["0", "1"]
    assert [one["id"] for one in house.told("dead")["deliveries"]] == dead


def tear_events(folder: Path, sequence: int) -> list[int]:
    """Write over what a log says of this event and of those after it; return which these are."""
    (path,) = (folder / "events").glob("*.log")
    with closing(LogFile(path)) as log:
        groups = [item for item in log.walk(BEGIN, log.size(), -1) if isinstance(item, Group)]
    torn = [group for group in groups if group.head.last >= sequence][:2]
    content = bytearray(path.read_bytes())
    for group in torn:
        content[group.at + HEAD : group.at + HEAD + 20] = b"\xff" * 20
    path.write_bytes(content)
    return [at for group in torn for at in range(group.head.first, group.head.last + 1)]


def test_events_that_are_lost_are_told_with_what_waited_for_them(running_house: House) -> None:
    house = running_house
    house.send(100)
    house.receiver.wait_for(100)
    house.refuse(401)  # one is tried again, those after it wait for it
    house.send(1, first=100)
    (retried,) = house.wait_for(1, state="retrying")
    house.send(99, first=101)
    house.wait_for(99, state="pending")
    house.stop()
    gone = tear_events(house.data, retried["sequence"])

    (found,) = [one["missing"] for one in house.told("doctor", status=1)["databases"] if one["missing"]]
    assert found["count"] == len(gone) > 1
    assert found["gaps"] == [{"first": gone[0], "last": gone[-1], "count": len(gone)}]

    told = house.told("doctor", "--yes", status=3)
    assert told["sound"]
    (kept,) = told["kept"]
    assert kept["missing"] == found
    (target,) = found["undelivered"]
    untried = sum(at > retried["sequence"] for at in gone)
    assert target == {"target": "hook", "waiting": 1, "untried": untried, "unsure": False}
    (loss,) = told["losses"]
    assert loss["missing"] == found

    (dead,) = house.told("dead")["deliveries"]
    assert dead["id"] == retried["id"]
    assert "is lost" in dead["last"]["error"]
    assert f"its event, {retried['sequence']}, cannot be read any more" in house.command("dead").stdout

    house.mend()
    for running in (False, True):  # until somebody takes note, whether or not it runs
        if running:
            house.start()
        shown = house.command("dead", "show", dead["id"]).stdout
        assert "is lost: it could not be read when the store was repaired" in shown
        assert f"{retried['sequence']}, which cannot be read any more" in shown
        assert house.command("dead", "show", str(retried["sequence"])).stdout == shown
        for ids, status in (([], 0), ([dead["id"]], 1)):
            done = house.command("dead", "redrive", *ids, "--yes", status=status)
            assert (done.stdout, done.stderr) == (
                "",
                "left as it is: 1 dead letter whose event cannot be read any more: it can only be dropped\n",
            )
        text = house.command("doctor", status=3).stdout
        assert f"lost: {gone[0]} to {gone[-1]}: {len(gone)} events" in text
        assert "hook: 1 delivery of these not made: dead letters" in text
        assert (f"; {untried} of these never tried, if they were for it" in text) is (untried > 0)
        assert f"this is told until {loss['file']} is removed" in text
    assert house.told("dead", "drop", dead["id"], "--yes")["count"] == 1
    assert house.command("dead").stdout == "no dead letter fits\n"
    Path(loss["file"]).unlink()
    assert "lost" not in house.command("doctor").stdout


def test_an_event_that_cannot_be_read_is_told_and_until_when(running_house: House) -> None:
    house = running_house
    house.send(2)
    house.receiver.wait_for(2)
    house.stop()
    (path,) = (house.data / "events").glob("*.log")
    tear(path, 0, "record")
    told = house.told("doctor", "--yes", status=3)
    assert (told["sound"], told["losses"]) == (True, [])
    text = house.command("doctor", status=3).stdout
    assert f"{path.name}: " in text
    assert "sound but for 1 event that cannot be read\n  lost: event " in text
    assert "\n  this is told until it is older than settings.archive keeps events, and no dead letter" in text


def test_logs_that_somebody_has_removed_are_told(running_house: House) -> None:
    house = running_house
    house.send(3)
    house.receiver.wait_for(3)
    house.settle()
    last = house.told("events")["events"][0]["sequence"]
    house.stop()
    for path in (house.data / "events").glob("*.log"):
        path.unlink()
    done = house.command("doctor", status=3)
    assert "segment.missing" in done.stderr
    (trace,) = (house.data / "events").glob("*.lost-*")
    for running in (False, True):  # until somebody takes note, whether or not it runs
        if running:
            house.start()
            house.send(1, first=3)
            house.receiver.wait_for(4)
        text = house.command("doctor", status=3).stdout
        assert "the files of events were gone when the store was opened, 20" in text
        assert "\n  lost: what stood from 1 to " in text
        assert f"this is told until {trace} is removed" in text
    assert house.told("events")["events"][0]["sequence"] > last
    trace.unlink()
    house.command("doctor")


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
    assert (done.exit_code, done.output) == (2, f"error: {tmp_path} {UNBEGUN}\n")
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
