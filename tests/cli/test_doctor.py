from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from router.cli import main
from router.store.advice import UNBEGUN
from router.store.log.format import BEGIN, HEAD
from router.store.log.walking import Group, LogFile
from tests.cli.operating import PATIENCE, House, at_terminal, command
from tests.store.logs import tear

RENAMED = """
rules: [{{name: all, match: {{type: "*"}}, targets: [renamed]}}]
targets: {{renamed: {{http: {{url: "{url}/hook"}}}}}}
"""

ORDERED = """
rules: [{{name: all, match: {{type: "*"}}, targets: [hook]}}]
targets: {{hook: {{http: {{url: "{url}/hook"}}, order_by: subject}}}}
"""

PAUSED_ELSEWHERE = """
rules: [{{name: all, match: {{type: "*"}}, targets: [hook]}}]
targets: {{hook: {{http: {{url: "{url}/other"}}, retry: {{first: 1h, most: 1h}}}}}}
"""

PAGE = 4096


def test_in_a_sound_store_ordinary_dead_letters_are_no_fault(house: House) -> None:
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


def test_when_a_paused_target_is_tried_next(house: House) -> None:
    house.refuse(404)  # which nobody but an operator mends: it is left alone for an hour
    house.send(1)
    house.wait_for(1, state="retrying")
    house.send(1, first=1)
    house.wait_for(1, state="pending")
    house.settle()
    (hook, _) = house.told("doctor", status=1 if house.running else 4)["status"]["targets"]
    text = house.command("doctor", status=1 if house.running else 4).stdout
    listed = house.command("deliveries").stdout
    if house.running:
        assert hook["next_try"] == hook["condition"]["probe"]
        assert 3600 - 2 * PATIENCE < hook["next_try_in"] <= 3600
        assert hook["condition"]["probe_in"] == hook["next_try_in"]
        when = hook["next_try"].partition(".")[0].replace("T", " ") + "+00:00"
        assert "hook: 1 pending, 1 retrying, 0 dead; nothing is sent: answered 404 Not Found" in text
        assert hook["condition"]["failing_since"] == hook["condition"]["since"]
        assert re.search(r"; nothing has got through since 2\S+ \S+ \((now|\d+s ago)\); the next", text)
        assert re.search(rf"; the next try is {re.escape(when)} \(in (1h|59m\d+s)\)$", text, re.MULTILINE)
        paused = re.compile(
            rf"not yet: nothing is sent to hook before {re.escape(when)} \(in .*: answered 404"
        )
        assert len(paused.findall(" ".join(listed.split()).replace("pending", "\n"))) == 2
        assert "in-flight" not in listed
        shown = " ".join(house.command("deliveries", "show", str(hook_first(house))).stdout.split())
        assert paused.search(shown)
        house.mend()
        house.write(PAUSED_ELSEWHERE)  # a reload makes the target another one: it begins anew
        house.process.wait_for_log("router.reloaded")
        house.wait_for(0, state="pending")
        assert "next try is 2" in house.command("doctor").stdout  # that of the retry
        assert "not yet" not in house.command("deliveries").stdout
    else:
        assert hook["condition"] is None
        assert -2 * PATIENCE < hook["next_try_in"] <= 3600
        assert re.search(
            r"^hook: 1 pending, 1 retrying, 0 dead; the oldest waits since 2.* ago\); its first retry is due "
            r"2.*\)$",
            text,
            re.MULTILINE,
        )
        assert (
            "no router runs here: what waits is tried after the next start, and not before it is due" in text
        )
        assert re.search(r"retrying due 2\S+ \S+ \(", listed)
        assert "not yet" not in listed
        assert "no router runs here" in house.command("deliveries").stderr


def test_a_target_that_begins_to_fail_is_no_fault_yet(running_house: House) -> None:
    house = running_house
    house.refuse(503)
    house.send(1)
    (retried,) = house.wait_for(1, state="retrying")
    text = house.command("doctor").stdout
    assert re.search(
        r"^hook: 0 pending, 1 retrying, 0 dead; nothing has got through since 2\S+ \S+ \((now|\d+s ago)\): "
        r"answered 503.*; the next try is 2",
        text,
        re.MULTILINE,
    ), text
    assert "spare: 0 pending, 0 retrying, 0 dead\n" in text
    assert "the oldest waits" not in text  # since when it fails is told already
    house.mend()
    house.send(1, first=1)
    house.receiver.wait_for(2)
    house.wait_for(1)
    assert "nothing has got through" not in house.command("doctor").stdout
    assert retried["attempts"] == 1


def test_when_a_paused_target_is_tried_for_which_nothing_waits(running_house: House) -> None:
    house = running_house
    house.refuse(404)
    house.send(1)
    house.wait_for(1, state="retrying")
    house.command("deliveries", "drop", "--target", "hook", "--yes")
    (hook, _) = house.told("doctor", status=1)["status"]["targets"]
    assert (hook["next_try"], hook["next_try_in"]) == (None, None)
    assert 3600 - 2 * PATIENCE < hook["condition"]["probe_in"] <= 3600
    text = house.command("doctor", status=1).stdout
    assert re.search(
        r"^hook: .*: answered 404.*; the next event tries it, from 2.* \(in .*\) on$", text, re.MULTILINE
    )


def hook_first(house: House) -> int:
    """The sequence of the oldest event that waits."""
    return int(house.told("deliveries")["deliveries"][0]["sequence"])


def test_a_key_that_a_dead_letter_blocks(house: House) -> None:
    house.write(ORDERED)
    house.process.wait_for_log("router.reloaded")
    house.refuse()
    house.send(3)  # none of them has a subject: no key, no order
    house.wait_for(3, state="dead")
    house.send(3, first=3, subject="a")
    house.send(1, first=6, subject="b")
    dead = [one["id"] for one in house.wait_for(5, state="dead")][3:]
    held = [one["id"] for one in house.wait_for(2, state="in-flight")]
    house.settle()
    told = house.told("doctor", status=1)
    assert [one["blocked"] for one in told["status"]["targets"]] == [1]
    text = house.command("doctor", status=1).stdout
    assert (
        "1 key blocked by a dead letter (order_by, on_poison: block): redrive or drop it, see router" in text
    )
    if house.running:
        listed = house.told("deliveries")["deliveries"]
        assert {one["id"]: one["waits_for"] for one in listed if one["waits_for"]} == dict.fromkeys(
            held, dead[0]
        )
        for words in (["deliveries"], ["deliveries", "show", held[1]]):
            text = house.command(*words).stdout
            assert f"waits for {dead[0]}, an earlier one of its key (order_by)" in " ".join(text.split())
            assert "in-flight" not in text
        done = house.command("deliveries", "redrive", held[0], "--to", "hook", "--yes", status=1)
        why = "under way, or held back until an earlier one of its key is done (order_by)"
        assert done.stderr == f"left as it is: 1 delivery {why}\n"
        house.mend()
        assert house.told("dead", "redrive", dead[0], "--yes")["count"] == 1
        house.receiver.wait_for(5 + 3)
        house.wait_for(0, state="in-flight")
        assert house.told("doctor")["status"]["targets"][0]["blocked"] == 0


def test_a_configuration_that_a_reload_refused(running_house: House) -> None:
    house = running_house
    running = house.told("doctor")["status"]["version"]
    (house.folder / "router.yml").write_text("rules: [{name: all, match: {type: 1}, targets: [hok]}]")
    house.process.wait_for_log("reload.refused")
    text = house.command("doctor", status=1).stdout
    assert (
        f"the configuration in the files is broken, and the router runs the one before, {running}\n" in text
    )
    assert "router.yml:1:" in text
    assert text.count("'hok'") == 1
    assert "was refused" not in text
    # Where only the environment is missing, as it may be for whoever asks, the version tells.
    house.write(RENAMED.replace("{url}", "${{NOT_THERE}}"))
    text = house.command("doctor", status=1).stdout
    assert f"than the one that runs ({running}): it was refused" in text
    told = house.command("doctor", "--data", house.data, status=1).stdout  # whoever's files they are
    assert "what is in the files was refused, and the configuration before it runs on: " in told
    assert "NOT_THERE is not set" in told
    house.stop()
    (house.folder / "router.yml").write_text("rules: {")
    text = house.command("doctor", status=1).stdout
    assert "the configuration in the files is broken, and no router starts with it\n" in text


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
