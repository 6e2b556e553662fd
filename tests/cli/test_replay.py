from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from router.cli import main
from router.operations.replay import GROUP, MOST_PENDING
from tests.cli.operating import PATIENCE, RULES, House
from tests.client import request

LEFT_OUT = RULES.replace("type: order.*", "type: order.*, replayname: [{{exists: false}}]")


def test_events_come_again_and_say_so(house: House) -> None:
    house.write(LEFT_OUT)
    house.stop()
    house.start()
    house.send(3)
    house.receiver.wait_for(3)
    house.settle()

    told = house.told("replay", "--since", "1h", "--name", "after-the-fire")
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
    done = house.command(
        "replay", "--since", "1h", "--type", "o*", "--rule", "orders", "--target", "hook", "--rate", "50/s"
    )
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
        [sys.executable, "-m", "router", "replay", "--since", "1h", "--name", "slow", *words],
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
    assert words[-4:] == ["--rule", "orders", "--rate", "20/s"]
    house.start()
    house.command(*words[1:-2])
    house.wait_for(0)
    assert {one["id"] for one in house.arrivals("/hook") if "replayname" in one} == {
        str(n) for n in range(400)
    }


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
    listed = json.loads(request("GET", f"{house.process.url}/api/v1/replays").body)["replays"]
    assert [(one["name"], one["state"]) for one in listed] == [("slow", "stopped")]


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
