from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from router.cli import main
from router.operations.replay import GROUP, MOST_PENDING
from router.store.log.writing import create
from tests.cli.operating import PATIENCE, RULES, House, at_terminal
from tests.client import request

LEFT_OUT = RULES.replace("type: order.*", "type: order.*, replayname: [{{exists: false}}]")

LATE = RULES.replace(
    "  - {{name: again",
    "  - {{name: late, match: {{type: order.late}}, targets: [hook, spare]}}\n  - {{name: again",
)


def test_events_come_again_and_say_so(house: House) -> None:
    house.write(LEFT_OUT)
    house.stop()
    house.start()
    house.send(3)
    house.receiver.wait_for(3)
    house.settle()

    told = house.told("replay", "--since", "1h", "--name", "after-the-fire", "--yes")
    assert (told["state"], told["replayed"], told["deliveries"]) == ("done", 3, 3)
    house.start()
    house.receiver.wait_for(6)
    # The rule `orders` leaves them out; `again` is for them alone.
    assert len(house.arrivals("/hook")) == 3
    replayed = house.arrivals("/spare")
    assert [one["replayname"] for one in replayed] == ["after-the-fire"] * 3
    firsts = [str(event["sequence"]) for event in house.told("events", "--oldest-first")["events"][:3]]
    assert sorted(one["replayof"] for one in replayed) == firsts  # without `order_by` they go side by side
    assert not {one["key"] for one in replayed} & {one["key"] for one in house.arrivals("/hook")}


def test_one_rule_one_target_and_a_window(house: House) -> None:
    house.send(2)
    house.receiver.wait_for(2)
    house.settle()
    assert house.told("replay", "--since", "1h", "--type", "invoice.*")["replayed"] == 0
    done = house.command("replay", "--since", "1h", "--type", "order.*", "--target", "hok", status=2)
    assert done.stderr == "error: there is no target 'hok'; did you mean 'hook'?\n"
    words = ("--since", "1h", "--type", "o*", "--rule", "orders", "--target", "hook", "--rate", "50/s")
    done = house.command("replay", *words, "--yes")
    assert "2 events replayed of 2 looked at, 2 deliveries, up to 2" in done.stdout
    assert house.told("replay", "--since", "2h", "--until", "1h")["replayed"] == 0
    done = house.command("replay", "--since", "1h", "--rule", "oders", status=2)
    assert done.stderr == "error: there is no rule 'oders'; did you mean 'orders'?\n"
    house.start()
    house.receiver.wait_for(4)
    assert [one["id"] for one in house.arrivals("/hook")] == ["0", "1", "0", "1"]


def test_new_events_do_not_queue_behind_a_storm(running_house: House) -> None:
    house = running_house
    for first in range(0, 4_000, 1_000):
        house.send(1_000, "unwanted", first=first)
    house.write(RULES.replace("targets: [hook]", "targets: [spare]"))
    house.process.wait_for_log("router.reloaded")
    process = watching(house)
    house.receiver.wait_for(300, PATIENCE)
    places = []
    for number in range(5):
        before = len(house.receiver.requests)
        house.send(1, "order.live", first=number)
        house.receiver.wait_for(before + 300, PATIENCE)
        types = [json.loads(one.body)["type"] for one in house.receiver.requests]
        places.append(len(types) - types[::-1].index("order.live") - before)
    assert max(places) < MOST_PENDING + GROUP + 50, places
    said, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert "4,000 events replayed" in said
    assert len(house.receiver.requests) == 4_005


def watching(house: House, *words: str) -> subprocess.Popen[str]:
    """A replay that goes on, slowly, in another process."""
    return subprocess.Popen(
        [sys.executable, "-m", "router", "replay", "--since", "1h", "--name", "slow", "--yes", *words],
        cwd=house.folder,
        env=dict(os.environ) | {"TZ": "UTC"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_under_way(house: House) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        reply = request("GET", f"{house.process.url}/api/v1/replays/slow")
        if reply.status == 200 and json.loads(reply.body)["replayed"] > 2:
            return
    raise AssertionError("the replay did not begin")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_router_that_ends_meanwhile(end: str, running_house: House) -> None:
    house = running_house
    for first in range(0, 400, 100):
        house.send(100, first=first)
    house.receiver.wait_for(400)
    process = watching(house, "--rate", "20/s", "--rule", "orders")
    wait_until_under_way(house)
    getattr(house, end)()
    said, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, said + error
    assert said.startswith("slow: ")
    told, rest = error.splitlines()
    assert told.startswith("it did not come to its end: ")
    words = shlex.split(rest.removeprefix("go on with: "))
    assert words[:3] == ["router", "replay", "--since"]
    assert words[-7:] == ["--name", "slow", "--rule", "orders", "--rate", "20/s", "--yes"]
    house.start()
    house.command(*words[1:-3], "--yes")
    house.wait_for(0)
    replayed = {one["key"]: one["id"] for one in house.arrivals("/hook") if one.get("replayname") == "slow"}
    assert set(replayed.values()) == {str(n) for n in range(400)}
    # Nobody says what was done in the fifth of a second after the last answer.
    assert told.endswith("; what it did after its last answer comes again") or len(replayed) == 400


def test_whoever_watches_can_stop_it(running_house: House) -> None:
    house = running_house
    house.send(100)
    house.receiver.wait_for(100)
    process = watching(house, "--rate", "20/s", "--json")
    wait_until_under_way(house)
    process.send_signal(signal.SIGINT)
    said, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    told = json.loads(said)
    assert (told["state"], told["reason"]) == ("stopped", "an operator stopped it")
    assert error.startswith(
        "it did not come to its end: an operator stopped it\ngo on with: router replay --since"
    )
    words = shlex.split(error.partition("go on with: ")[2])
    assert words[-6:] == ["--name", "slow", "--rate", "20/s", "--yes", "--json"]
    # The same router knows it by that name, and goes on with it as the same replay.
    rest = json.loads(house.command(*words[1:-4], *words[-2:]).stdout)
    assert (rest["state"], rest["replayed"]) == ("done", 100 - told["replayed"])
    listed = json.loads(request("GET", f"{house.process.url}/api/v1/replays").body)["replays"]
    assert [(one["name"], one["state"]) for one in listed] == [("slow", "done")]


def test_broken_rules_are_told(running_house: House) -> None:
    house = running_house
    house.stop()
    (house.folder / "router.yml").write_text("rules: [{name: x}]\n")
    done = house.command("replay", "--since", "1h", status=2)
    assert "router.yml:1:" in done.stderr
    # What needs no rules does not ask for them.
    assert house.command("events").stdout == "no event fits\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Missing option '--since'"),
        (["--since", "x"], "'x' is no time"),
        (["--since", "1h", "--rate", "fast"], "'fast' is no rate: write 50/s, 100/m or 1000/h"),
        (["--since", "1h", "--rate", "0/s"], "would let nothing through"),
    ],
)
def test_asked_wrongly(words: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["replay", "--data", str(tmp_path), *words])
    assert done.exit_code == 2
    assert said in done.output


def test_a_dry_run_counts_and_does_nothing_else(house: House) -> None:
    house.write(LATE)
    house.process.wait_for_log("router.reloaded")
    house.send(2)
    house.send(1, "order.late", first=2)
    house.send(1, "unwanted", first=3)
    house.receiver.wait_for(4)
    house.settle()
    done = house.command("replay", "--since", "1h", "--dry-run", "--name", "twice")
    first, second = done.stdout.splitlines()
    assert re.fullmatch(
        r"would replay 4 events of 4 looked at, accepted from 2.{24} until before 2.{24}: "
        r"7 deliveries \(4 of spare, 3 of hook\)",
        first,
    )
    assert second == "by rule: again 4 events, orders 3 events, late 1 event"
    told = house.told("replay", "--since", "1h", "--dry-run", "--rule", "late", "--name", "twice")
    assert (told["dry"], told["state"], told["replayed"]) == (True, "done", 1)
    assert told["targets"] == {"hook": 1, "spare": 1}
    assert house.told("replay", "--since", "2h", "--until", "1h", "--dry-run")["replayed"] == 0
    assert len(house.told("events")["events"]) == 4
    assert len(house.receiver.requests) == 4
    # Its name is not used up, and what it has counted is what goes.
    told = house.told("replay", "--since", "1h", "--name", "twice", "--yes")
    assert (told["dry"], told["replayed"], told["targets"]) == (False, 4, {"hook": 3, "spare": 4})
    assert len(house.told("events")["events"]) == 8


def test_whoever_sits_there_is_asked(house: House) -> None:
    house.send(2)
    house.receiver.wait_for(2)
    house.settle()
    done = house.command("replay", "--since", "1h", status=2)
    assert done.stderr.startswith("replay 2 events of 2 looked at, accepted from 2")
    assert "4 deliveries (2 of hook, 2 of spare)\nby rule: again 2 events, orders 2 events\n" in done.stderr
    assert "\nnothing was done: nobody can be asked here; say --yes, or --dry-run" in done.stderr
    assert house.command("replay", "--since", "1h", "--type", "invoice.*").stdout == "no event fits\n"
    status, said = at_terminal(house, "n\n", "replay", "--since", "1h")
    assert (status, "Go on? [y/N]" in said) == (1, True)
    assert len(house.told("events")["events"]) == 2
    status, said = at_terminal(house, "y\n", "replay", "--since", "1h")
    assert (status, "2 events replayed of 2 looked at" in said) == (0, True), said
    assert len(house.told("events")["events"]) == 4


def test_a_router_may_start_while_somebody_thinks(running_house: House) -> None:
    house = running_house
    house.send(2)
    house.receiver.wait_for(2)
    house.stop()
    status, said = at_terminal(house, "y\n", "replay", "--since", "1h", meanwhile=house.start)
    assert (status, "2 events replayed of 2 looked at" in said) == (0, True), said
    house.receiver.wait_for(4)


def test_the_log_says_when_a_replay_begins_and_how_it_ended(running_house: House) -> None:
    house = running_house
    house.send(2)
    house.receiver.wait_for(2)
    house.command("replay", "--since", "1h", "--dry-run", "--name", "counted")
    house.command("replay", "--since", "1h", "--name", "told", "--rule", "orders", "--yes")
    began = house.process.wait_for_log("replay.began")
    ended = house.process.wait_for_log("replay.ended")
    assert (began["replay"], began["rule"]) == (ended["replay"], ended["rule"]) == ("told", "orders")
    assert datetime.fromisoformat(began["since"]) < datetime.fromisoformat(began["until"])
    assert "type" not in began
    assert (ended["state"], ended["looked"], ended["replayed"]) == ("done", 2, 2)
    assert (ended["targets"], ended["unreadable"]) == ({"hook": 2}, 0)
    assert not [line for line in house.process.log if line.get("replay") == "counted"]


def test_what_cannot_be_read_is_counted(house: House) -> None:
    house.send(5)
    house.receiver.wait_for(5)
    events = house.told("events", "--oldest-first")["events"]
    house.stop()
    (segment,) = (house.data / "events").glob("*.log")
    content = segment.read_bytes()
    for one in events[1:3]:  # their records are not what was written; what stands beside them is
        written = msgspec.msgpack.encode({"id": one["id"]})[1:]
        assert content.count(written) == 1
        content = content.replace(written, b"?" * len(written))
    segment.write_bytes(content)
    following = events[-1]["sequence"] + 1
    create(segment.with_name(f"{following}.log"), following)  # a start looks closely at the latest alone
    house.start()
    house.settle()
    for words in (["--dry-run"], ["--yes"]):
        done = house.command("replay", "--since", "1h", *words)
        assert "3 events" in done.stdout
        assert "left out: 2 events of that time that cannot be read any more" in done.stderr
    assert house.told("replay", "--since", "1h", "--dry-run")["unreadable"] == 2
    early = house.told("replay", "--since", "1d", "--until", "1h", "--dry-run")
    assert early["looked"] >= 3
    assert early["unreadable"] == 0
