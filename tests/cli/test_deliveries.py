from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from router.cli import main
from tests.cli.operating import RULES, House

RENAMED = RULES.replace("targets: [hook]", "targets: [renamed]").replace("  hook:", "  renamed:")


def test_the_backlog_of_a_target_that_is_gone_is_sent_elsewhere_or_dropped(house: House) -> None:
    house.refuse(503)
    house.send(3, "order.new")
    house.send(2, "order.old", first=3)
    house.wait_for(5, state="retrying")
    house.stop()
    house.write(RENAMED)
    house.start()
    house.settle()

    listed = house.told("deliveries", "--target", "hook", "--state", "retrying")["deliveries"]
    assert [one["event_id"] for one in listed] == ["0", "1", "2", "3", "4"]
    text = house.command("deliveries", "--target", "hook").stdout
    assert text.splitlines()[0] == listed[0]["id"]
    assert "retrying due 2" in text
    assert "1 attempt: answered 503 Service" in " ".join(text.split())

    house.mend()
    done = house.command("deliveries", "redrive", "--target", "hook", "--to", "hook", "--yes", status=2)
    assert "there is no target 'hook'; " in done.stderr
    done = house.command("deliveries", "drop", "--target", "hook", "--type", "order.old", "--yes")
    assert done.stdout == "drop: done with 2 deliveries (2 of hook)\n"
    done = house.command("deliveries", "redrive", "--target", "hook", "--to", "renamed", status=2)
    assert done.stderr.startswith(
        "deliver to renamed: 3 deliveries (3 of hook)\nnothing was done: nobody can"
    )
    told = house.told("deliveries", "redrive", "--target", "hook", "--to", "renamed", "--yes")
    assert told == {"count": 3, "targets": {"hook": 3}, "next": None}

    house.start()
    house.wait_for(0)
    arrived = house.arrivals("/hook")[-3:]
    assert [one["id"] for one in arrived] == ["0", "1", "2"]
    assert {one["key"] for one in arrived} == {one["id"].replace("hook", "renamed") for one in listed[:3]}
    assert house.command("deliveries").stdout == "no delivery fits\n"


def test_dead_letters_of_a_target_that_is_gone_wait_and_that_is_said(running_house: House) -> None:
    house = running_house
    house.dead_letters(1)
    house.stop()
    house.write(RENAMED)
    house.start()
    house.mend()
    done = house.command("dead", "redrive", "--yes")
    assert done.stderr == "no target is called hook now: they wait until one is, or go --to another\n"
    assert [one["state"] for one in house.told("deliveries")["deliveries"]] == ["retrying"]
    done = house.command("deliveries", "redrive", "--target", "hook", "--to", "spare", "--yes")
    assert done.stderr == ""
    house.wait_for(0)
    assert [one["id"] for one in house.arrivals("/spare")] == ["0"]


def test_what_was_made_says_what_is_not_kept_of_it(house: House) -> None:
    house.send(1)
    house.receiver.wait_for(1)
    house.wait_for(0)
    (sequence,) = (str(one["sequence"]) for one in house.told("events")["events"])
    house.settle()
    kept = "  delivered; when, and by how many attempts, is not kept\n"
    assert kept in house.command("deliveries", "show", sequence).stdout
    assert kept in house.command("events", "show", sequence).stdout


def test_what_is_redriven_to_a_target_that_takes_nothing(house: House) -> None:
    (dead,) = house.dead_letters(1)
    house.refuse(404)  # it is left alone for an hour
    house.send(1, first=1)
    (waiting,) = house.wait_for(1, state="retrying")
    house.settle()
    done = house.command("dead", "redrive", "--yes")
    assert done.stdout == "redrive: done with 1 dead letter (1 of hook)\n"
    if house.running:
        assert re.fullmatch(
            r"not yet: nothing is sent to hook before 2.* \(in .*\): answered 404 Not Found.*\n", done.stderr
        )
    else:
        assert done.stderr == "no router runs here: they are tried after the next start\n"
    # There is nothing to send to where it waits already.
    again = house.told("deliveries", "redrive", "--target", "hook", "--to", "hook", "--yes")
    assert (again["count"], again["left"]) == (0, {"there-already": 2})
    done = house.command("deliveries", "redrive", waiting["id"], "--to", "hook", "--yes", status=1)
    assert done.stderr == (
        "left as it is: 1 delivery that waits for this target already, and is tried when it is due\n"
    )
    house.mend()  # the hook is left alone all the same
    done = house.command("deliveries", "redrive", dead, "--to", "spare", "--yes")
    assert done.stderr == (
        "" if house.running else "no router runs here: they are tried after the next start\n"
    )
    text = house.command("deliveries", "show", dead).stdout
    assert "cancelled by an operator: dropped, or sent to another target, 1 attempt" in text


def test_filters_and_pages(house: House) -> None:
    house.refuse(503)
    house.send(4)
    house.wait_for(4, state="retrying")
    house.settle()

    def ids(*words: str) -> list[str]:
        return [one["event_id"] for one in house.told("deliveries", *words)["deliveries"]]

    first = house.told("deliveries", "--most", "3")
    assert ids("--after", first["next"]) == ["3"]
    assert ids("--rule", "orders", "--since", "1h") == ["0", "1", "2", "3"]
    assert ids("--rule", "again") == ids("--until", "1h") == ids("--state", "dead") == []
    assert ids("--state", "dead", "--state", "retrying") == ["0", "1", "2", "3"]


def test_names_that_nobody_has(house: House) -> None:
    house.refuse(503)
    house.send(1)
    house.wait_for(1, state="retrying")
    house.settle()
    for words in (
        ["deliveries"],
        ["dead"],
        ["dead", "redrive", "--yes"],
        ["deliveries", "drop", "--yes"],
    ):
        done = house.command(*words, "--target", "hok", status=2)
        assert done.stderr == "error: there is no target 'hok'; did you mean 'hook'?\n"
        done = house.command(*words, "--rule", "oders", status=2)
        assert done.stderr == "error: there is no rule 'oders'; did you mean 'orders'?\n"
        # One that is there, and has nothing to do with this.
        assert house.command(*words, "--target", "spare").stdout.startswith("no de")
    done = house.command("events", "--target", "hok", status=2)
    assert done.stderr == "error: there is no target 'hok'; did you mean 'hook'?\n"
    assert house.command("events", "--target", "spare").stdout == "no event fits\n"


@pytest.mark.parametrize("verb", ["drop", "redrive"])
def test_everything_is_never_meant_by_saying_nothing(verb: str) -> None:
    words = ["deliveries", verb, "--yes", *(["--to", "x"] if verb == "redrive" else [])]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "say which: by --target, --rule, --type, --state" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--state", "delivered"], "'delivered' is not one of 'pending', 'in-flight', 'retrying', 'dead'"),
        (["redrive", "--target", "hook"], "Missing option '--to'"),
        (["show"], "Missing argument 'ID'"),
    ],
)
def test_asked_wrongly(words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["deliveries", *words])
    assert done.exit_code == 2
    assert said in done.output
