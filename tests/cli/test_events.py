from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from router.cli import main
from tests.cli.operating import House
from tests.client import post


def test_the_newest_first_and_page_by_page(house: House) -> None:
    house.send(5)
    house.settle()
    first = house.told("events", "--most", "3")
    assert [event["id"] for event in first["events"]] == ["4", "3", "2"]
    rest = house.told("events", "list", "--most", "3", "--after", str(first["next"]))
    assert ([event["id"] for event in rest["events"]], rest["next"]) == (["1", "0"], None)
    oldest = house.told("events", "--oldest-first", "--most", "2")
    assert [event["id"] for event in oldest["events"]] == ["0", "1"]


def test_filters(house: House) -> None:
    house.send(2, "order.new")
    house.send(2, "invoice.new", first=2)
    house.settle()

    def ids(*words: str) -> list[str]:
        return [event["id"] for event in house.told("events", *words)["events"]]

    assert ids("--type", "order.*") == ["1", "0"]
    assert ids("--type", "*.new", "--target", "hook") == ["1", "0"]
    assert ids("--source", "/sh*", "--id", "2") == ["2"]
    assert ids("--since", "1h") == ["3", "2", "1", "0"]
    assert ids("--until", "1h") == []
    assert ids("--subject", "*") == []


def test_as_a_person_reads_them(house: House) -> None:
    house.send(3)
    house.settle()
    lines = house.command("events", "--most", "2").stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].split() == ["sequence", "accepted", "event", "routed", "to"]
    told = house.told("events", "--most", "2")
    when = datetime.fromisoformat(told["events"][0]["received"])
    assert lines[1].split() == [str(told["events"][0]["sequence"]), f"{when:%Y-%m-%d}", "order.new", "hook"]
    assert lines[2].split() == [f"{when:%H:%M:%S}+00:00", "2", "from", "/shop"]
    assert lines[-1] == f"there may be more: --after {told['next']}"


def test_one_with_everything(house: House) -> None:
    (dead,) = house.dead_letters(1)
    house.settle()
    sequence = dead.split("-")[0]
    told = house.told("events", "show", sequence)
    assert told["event"]["data"] == {"n": 0}
    assert (told["read_by"], told["rules"], len(told["version"])) == ("cloudevents", ["orders"], 16)
    (delivery,) = told["deliveries"]
    assert (delivery["id"], delivery["state"], delivery["last"]["status"]) == (dead, "dead", 400)
    text = house.command("events", "show", sequence).stdout
    for wanted in (sequence, '"type": "order.new"', dead, "dead since", "answered 400 Bad Request", "orders"):
        assert wanted in text


def test_nothing_there(house: House) -> None:
    house.settle()
    assert house.command("events").stdout == "no event fits\n"
    assert house.told("events") == {"events": [], "next": None}
    done = house.command("events", "show", "17", status=2)
    assert done.stderr == "error: there is no event 17, or it is no longer in the archive\n"


def test_a_list_that_is_longer_than_a_page_of_the_api(running_house: House) -> None:
    house = running_house
    for first in (0, 1_000):
        house.send(1_000, "unwanted", first=first)
    found = house.told("events", "--most", "1500")
    assert [int(event["id"]) for event in found["events"]] == list(range(1_999, 499, -1))


def test_what_was_accepted_in_a_time_that_is_shown(running_house: House) -> None:
    house = running_house
    house.send(1)
    (event,) = house.told("events")["events"]
    assert datetime.fromisoformat(event["received"]).tzinfo == UTC
    assert len(house.told("events", "--since", event["received"])["events"]) == 1
    assert house.told("events", "--until", event["received"])["events"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "yesterday"], "'yesterday' is no time: write 2"),
        (["--since", "2026-01-01T00:00:00"], "has no offset from UTC"),
        (["--most", "0"], "0 is not in the range x>=1"),
        (["--after", "x"], "'x' is not a valid integer"),
        (["show", "x"], "'x' is not a valid integer"),
        (["show"], "Missing argument 'SEQUENCE'"),
        (["shwo"], "unexpected extra argument (shwo)"),
    ],
)
def test_asked_wrongly(words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["events", *words])
    assert done.exit_code == 2
    assert said in done.output


def test_json_keeps_the_spelling_of_numbers(running_house: House) -> None:
    house = running_house
    body = b'{"specversion": "1.0", "id": "1", "source": "/x", "type": "t", "data": {"n": 1.50, "e": 1E2}}'
    assert post(f"{house.process.url}/events", body, "application/cloudevents+json").status == 202
    (event,) = house.told("events")["events"]
    text = house.command("events", "show", str(event["sequence"]), "--json").stdout
    assert '"n": 1.50' in text
    assert '"e": 1E2' in text
    assert json.loads(text)["id"] == "1"
