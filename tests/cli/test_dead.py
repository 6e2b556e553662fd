from __future__ import annotations

import pytest
from click.testing import CliRunner

from router.cli import main
from tests.cli.operating import House, at_terminal


def states(house: House, *ids: str) -> list[str]:
    return [house.told("deliveries", "show", id_)["state"] for id_ in ids]


def test_what_is_mended_is_delivered_with_the_key_it_had(house: House) -> None:
    first, second, third = house.dead_letters(3)
    refused = {one["key"]: one["id"] for one in house.arrivals("/hook")}
    house.settle()

    listed = house.told("dead")["deliveries"]
    assert [one["id"] for one in listed] == [first, second, third]
    assert {one["last"]["error"] for one in listed} == {"answered 400 Bad Request"}
    text = house.command("dead").stdout
    assert text.splitlines()[0] == first
    assert "dead since 2" in text
    assert "1 attempt: answered 400 Bad Request" in text
    assert all(len(line) <= 80 for line in text.splitlines())

    told = house.told("dead", "show", second)
    (attempt,) = told["history"]
    assert (attempt["status"], attempt["error"]) == (400, "answered 400 Bad Request")
    assert attempt["answer"] == "no such hook"
    text = house.command("dead", "show", second).stdout
    for wanted in (second, "answered 400 Bad Request, after 0.", "no such hook", "order.new, 1 from /shop"):
        assert wanted in text

    house.mend()
    assert house.told("dead", "redrive", second, "--yes") == {
        "count": 1,
        "targets": {"hook": 1},
        "next": None,
    }
    done = house.command("dead", "redrive", "--type", "order.*", "--yes")
    assert done.stdout == "redrive: done with 2 dead letters (2 of hook)\n"
    house.start()
    house.receiver.wait_for(6)
    again = {one["key"]: one["id"] for one in house.arrivals("/hook")[3:]}
    assert again == refused
    house.wait_for(0)
    assert states(house, first, second, third) == ["delivered"] * 3
    assert house.command("dead").stdout == "no dead letter fits\n"


def test_some_go_elsewhere_and_some_never(house: House) -> None:
    house.dead_letters(1, "order.new")
    house.dead_letters(1, "order.late", first=1)
    new, late, odd = house.dead_letters(1, "order.odd", first=2)
    house.mend()
    house.settle()

    assert house.command("dead", "drop", "--type", "order.odd", "--yes").stdout.startswith(
        "drop: done with 1 "
    )
    assert house.told("dead", "redrive", late, "--to", "spare", "--yes")["count"] == 1
    done = house.command("dead", "redrive", "--to", "spaer", "--yes", status=2)
    assert done.stderr == "error: there is no target 'spaer'; did you mean 'spare'?\n"
    assert [one["id"] for one in house.told("dead")["deliveries"]] == [new]

    house.start()
    house.wait_for(1)
    (arrived,) = house.arrivals("/spare")
    assert (arrived["id"], arrived["key"]) == ("1", late.replace("-hook", "-spare"))
    assert states(house, new, late, odd) == ["dead", "cancelled", "cancelled"]


def test_an_events_letters_by_its_sequence_alone(house: House) -> None:
    first, second = house.dead_letters(2)
    house.send(1, "order.good", first=2)
    house.wait_for(3, state="dead")
    house.settle()
    sequence = second.partition("-")[0]
    assert [one["id"] for one in house.told("dead", "show", sequence)] == [second]
    assert [one["id"] for one in house.told("deliveries", "show", sequence)] == [second]
    text = house.command("dead", "show", sequence).stdout
    assert text.startswith(f"{second}\n  dead since ")
    assert "no such hook" in text
    assert first not in text
    house.command("dead", "drop", second, "--yes")
    done = house.command("dead", "show", sequence, status=2)
    assert done.stderr.startswith(f"error: the event {sequence} has no dead letter; `router events show ")
    assert [one["state"] for one in house.told("deliveries", "show", sequence)] == ["cancelled"]


def test_where_nobody_can_be_asked_nothing_is_done_unasked(house: House) -> None:
    (dead,) = house.dead_letters(1)
    house.settle()
    for verb in ("redrive", "drop"):
        done = house.command("dead", verb, status=2, said="y\n")
        assert (
            done.stderr
            == f"{verb}: 1 dead letter (1 of hook)\nnothing was done: nobody can be asked here; say --yes\n"
        )
    assert states(house, dead) == ["dead"]
    # Where there is nothing to do, there is nothing to ask.
    assert house.command("dead", "drop", "--type", "x").stdout == "no dead letter fits\n"
    assert house.told("dead", "drop", "--type", "x") == {"count": 0, "targets": {}, "next": None}


def test_whoever_sits_there_is_asked(running_house: House) -> None:
    house = running_house
    (dead,) = house.dead_letters(1)
    status, said = at_terminal(house, "n\n", "dead", "drop")
    assert status == 1
    assert "drop: 1 dead letter (1 of hook). Go on? [y/N]" in said
    assert states(house, dead) == ["dead"]
    status, said = at_terminal(house, "y\n", "dead", "drop")
    assert status == 0
    assert "drop: done with 1 dead letter (1 of hook)" in said
    assert states(house, dead) == ["cancelled"]


def test_a_router_may_start_while_somebody_thinks(running_house: House) -> None:
    house = running_house
    (dead,) = house.dead_letters(1)
    house.stop()
    house.mend()
    status, said = at_terminal(house, "y\n", "dead", "redrive", meanwhile=house.start)
    assert (status, "redrive: done with 1 dead letter (1 of hook)" in said) == (0, True), said
    house.receiver.wait_for(2)
    house.wait_for(0)
    assert states(house, dead) == ["delivered"]


def test_pages_and_ids_that_are_none(running_house: House) -> None:
    house = running_house
    dead = house.dead_letters(5)
    first = house.told("dead", "--most", "3")
    rest = house.told("dead", "--most", "3", "--after", first["next"])
    assert [one["id"] for one in first["deliveries"] + rest["deliveries"]] == dead
    assert rest["next"] is None
    text = house.command("dead", "--most", "3").stdout
    assert text.endswith(f"there may be more: --after {first['next']}\n")
    done = house.command("dead", "drop", "nonsense", "--yes", status=2)
    assert done.stderr == "error: 'nonsense' is no delivery id: they look like 1764000000000000-audit\n"
    done = house.command("dead", "redrive", dead[0], "17-hook", "--yes", status=2)
    assert "there is no delivery 17-hook" in done.stderr
    assert len(house.told("dead")["deliveries"]) == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "never"], "'never' is no time"),
        (["--state", "dead"], "No such option '--state'"),
        (["show"], "Missing argument 'ID'"),
        (["redrive", "--to"], "Option '--to' requires an argument"),
    ],
)
def test_asked_wrongly(words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["dead", *words])
    assert done.exit_code == 2
    assert said in done.output
