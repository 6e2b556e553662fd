from __future__ import annotations

import re
from pathlib import Path

from tests.cli.operating import PATIENCE, House

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
