"""Rules and targets change while the router runs, with a backlog waiting: nothing is lost, nothing breaks."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.client import post, request
from tests.process import RouterProcess
from tests.receiver import Answer, Receiver, Request

NUMBERS = itertools.count(1)


def write(folder: Path, rules: list[dict[str, Any]], targets: dict[str, Any], **more: Any) -> None:
    """Write a deployment as JSON, which is YAML."""
    text = json.dumps({"rules": rules, "targets": targets, **more})
    (folder / "router.yml").write_text(text)


def rule(name: str, target: str) -> dict[str, Any]:
    return {"name": name, "match": {"type": "test.*"}, "targets": [target]}


def http(receiver: Receiver, path: str = "/hook") -> dict[str, Any]:
    retry = {"first": "100ms", "most": "100ms"}
    return {"http": {"url": f"{receiver.url}{path}"}, "concurrency": 1, "retry": retry}


def send(running: RouterProcess, type_: str = "test.event") -> str:
    number = str(next(NUMBERS))
    event = {"specversion": "1.0", "id": number, "source": "/tests", "type": type_, "data": {"n": number}}
    answer = post(f"{running.url}/events", json.dumps(event).encode(), "application/cloudevents+json")
    assert answer.status == 202, answer.body
    return number


def delivered(receiver: Receiver) -> set[str]:
    return {json.loads(one.body)["id"] for one in receiver.requests}


@pytest.fixture
def deployment(tmp_path: Path, receiver: Receiver) -> Path:
    folder = tmp_path / "deployment"
    folder.mkdir()
    write(folder, [rule("all", "hook")], {"hook": http(receiver)})
    return folder


def test_a_changed_file_counts_from_then_on(deployment: Path, receiver: Receiver, tmp_path: Path) -> None:
    with RouterProcess([deployment], tmp_path / "data") as running:
        first = send(running)
        receiver.wait_for(1)
        write(deployment, [rule("all", "other")], {"other": http(receiver, "/other")})
        assert running.wait_for_log("router.reloaded", 30)["changed"] is True
        second = send(running)
        one, two = receiver.wait_for(2)
        assert (one.target, two.target) == ("/hook", "/other")
        assert delivered(receiver) == {first, second}
        assert running.terminate() == 0


def test_sighup_reads_it_again_too(deployment: Path, receiver: Receiver, tmp_path: Path) -> None:
    with RouterProcess([deployment], tmp_path / "data") as running:
        running.hang_up()
        assert running.wait_for_log("router.reloaded")["changed"] is False
        send(running)
        receiver.wait_for(1)
        assert running.terminate() == 0


@pytest.mark.parametrize(
    "broken",
    ["rules: [{name: a, match: {type: x}, targets: [nobody]}]", "rules: [", "sources: {x: {kind: y}}"],
)
def test_a_broken_configuration_leaves_the_old_one_running(
    deployment: Path, receiver: Receiver, tmp_path: Path, broken: str
) -> None:
    with RouterProcess([deployment], tmp_path / "data") as running:
        (deployment / "router.yml").write_text(broken)
        said = running.wait_for_log("reload.refused", 30)
        assert "router.yml:" in said["error"]
        assert ": error: " in said["error"]
        send(running)
        receiver.wait_for(1)
        write(deployment, [rule("all", "hook")], {"hook": http(receiver, "/mended")})
        running.wait_for_log("router.reloaded", 30)
        send(running)
        assert receiver.wait_for(2)[1].target == "/mended"
        assert running.terminate() == 0


@pytest.mark.parametrize("emptied", ["router.yml", "rules/more.yml"])
def test_a_file_that_was_emptied_to_be_written_anew_leaves_the_old_configuration_running(
    deployment: Path, receiver: Receiver, tmp_path: Path, emptied: str
) -> None:
    (deployment / "rules").mkdir()
    more = json.dumps({"rules": [rule("more", "hook")]})
    (deployment / "rules/more.yml").write_text(more)
    with RouterProcess([deployment], tmp_path / "data") as running:
        (deployment / emptied).write_text("\n")
        said = running.wait_for_log("reload.refused", 30)
        assert f"{emptied}: error: is empty" in said["error"]
        send(running)
        receiver.wait_for(1)
        write(deployment, [rule("all", "hook")], {"hook": http(receiver, "/mended")})
        (deployment / "rules/more.yml").write_text(more)
        running.wait_for_log("router.reloaded", 30)
        assert running.terminate() == 0


def backlog(running: RouterProcess, receiver: Receiver, count: int = 20) -> set[str]:
    """Have events wait: the target answers 503 from now on."""
    receiver.decide = lambda _: Answer(503)
    sent = {send(running) for _ in range(count)}
    receiver.wait_for(1)
    return sent


class Taken:
    """The ids of the events that a receiver takes from now on."""

    def __init__(self, receiver: Receiver) -> None:
        self._ids: set[str] = set()
        self._changed = threading.Condition()
        receiver.decide = self._decide

    def _decide(self, request: Request) -> Answer:
        with self._changed:
            self._ids.add(json.loads(request.body)["id"])
            self._changed.notify_all()
        return Answer(200)

    def wait_for(self, ids: set[str]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: ids <= self._ids, 30), ids - self._ids


@pytest.mark.parametrize(
    "change", ["rule renamed", "rule deleted", "rule changed", "address changed", "policy changed"]
)
def test_a_backlog_survives_a_change(deployment: Path, tmp_path: Path, change: str) -> None:
    with Receiver() as dead, Receiver() as alive, RouterProcess([deployment], tmp_path / "data") as running:
        write(deployment, [rule("all", "hook")], {"hook": http(dead)})
        running.wait_for_log("router.reloaded", 30)
        sent = backlog(running, dead)
        rules = [rule("all", "hook")]
        target = http(dead)
        if change == "rule renamed":
            rules = [rule("renamed", "hook")]
        elif change == "rule deleted":
            rules = []
        elif change == "rule changed":
            rules[0]["match"] = {"type": "something.else"}
        elif change == "address changed":
            target = http(alive)
        else:
            target["concurrency"] = 4
        write(deployment, rules, {"hook": target})
        running.wait_for_log("router.reloaded", 30, count=2)
        Taken(alive if change == "address changed" else dead).wait_for(sent)
        assert running.terminate() == 0


def test_a_deleted_targets_backlog_waits_for_its_return(
    deployment: Path, receiver: Receiver, tmp_path: Path
) -> None:
    with RouterProcess([deployment], tmp_path / "data") as running:
        sent = backlog(running, receiver)
        write(deployment, [], {"another": http(receiver, "/another")})
        running.wait_for_log("router.reloaded", 30)
        gone = running.wait_for_log("target.gone")
        assert (gone["target"], gone["waiting"]) == ("hook", len(sent))
        write(deployment, [], {"hook": http(receiver)})
        running.wait_for_log("router.reloaded", 30, count=2)
        Taken(receiver).wait_for(sent)
        assert running.terminate() == 0


def test_a_file_that_cannot_be_had_leaves_everything_as_it_was(
    deployment: Path, receiver: Receiver, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with RouterProcess([deployment], data) as running:
        (data / "taken").mkdir()
        targets = {"hook": http(receiver, "/new"), "file": {"file": {"path": "taken"}}}
        write(deployment, [rule("all", "hook"), rule("file", "file")], targets)
        assert "taken" in running.wait_for_log("reload.refused", 30)["error"]
        send(running)
        assert receiver.wait_for(1)[0].target == "/hook"
        assert running.terminate() == 0


def test_sources_come_and_go(deployment: Path, receiver: Receiver, tmp_path: Path) -> None:
    with RouterProcess([deployment], tmp_path / "data") as running:
        write(
            deployment,
            [rule("all", "hook")],
            {"hook": http(receiver)},
            sources={"mine": {"kind": "cloudevents", "path": "/mine"}},
        )
        running.wait_for_log("router.reloaded", 30)
        assert post(f"{running.url}/events", b"{}").status == 404
        assert request("POST", f"{running.url}/mine", b"{}").status == 400
        assert running.terminate() == 0


def test_what_needs_a_restart_is_said(deployment: Path, receiver: Receiver, tmp_path: Path) -> None:
    with RouterProcess([deployment], tmp_path / "data") as running:
        write(deployment, [rule("all", "hook")], {"hook": http(receiver)}, settings={"dedupe": "1m"})
        assert running.wait_for_log("router.restart_needed", 30)["settings"] == ["dedupe"]
        assert running.terminate() == 0
