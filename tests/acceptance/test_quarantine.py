"""What a verified sender sent and nobody could read: answered with success, kept, shown, and read again."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.operating import command
from tests.client import post, request
from tests.process import RouterProcess
from tests.receiver import Receiver

TOKEN = "0123456789-not-to-be-seen"  # a secret of this test alone
CONFIGURATION = """
sources:
  ci: {{kind: tencent, tokens: [{token}, other]}}
  imm: {{kind: alibaba, token: {token}, strict: {strict}}}
  open: {{kind: tencent, path: /open}}
  events: {{kind: cloudevents}}
rules:
  - {{name: all, match: {{type: [{{exists: true}}]}}, targets: [hook]}}
targets:
  hook: {{http: {{url: "{url}/hook"}}}}
"""
UNREADABLE = b"<Response><EventName>TaskFinish</EventName><JobsDetail>"
WITHOUT_VERSION = b'{"id":"1","source":"acs.imm","type":"imm:Task:X","data":{"a":1}}'
SIGNED = {"x-eventbridge-signature-token": TOKEN}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deployment"


def write(folder: Path, receiver: Receiver, *, strict: bool = True) -> None:
    folder.mkdir(exist_ok=True)
    text = CONFIGURATION.format(token=TOKEN, url=receiver.url, strict=str(strict).lower())
    (folder / "router.yml").write_text(text)


def run(folder: Path) -> RouterProcess:
    return RouterProcess([folder], folder / "data", cwd=folder)


def asked(folder: Path, *words: str) -> Any:
    found = command(*words, "--json", cwd=folder)
    assert found.returncode == (1 if words[0] == "doctor" else 0), found.stderr  # it is something to look at
    return json.loads(found.stdout)


def quarantined(folder: Path) -> list[dict[str, Any]]:
    return list(asked(folder, "dead", "--target", "quarantine")["deliveries"])


def test_it_is_answered_with_success_and_shown_with_its_reason(folder: Path, receiver: Receiver) -> None:
    write(folder, receiver)
    with run(folder) as router:
        for _ in range(2):  # its sender's second try is the same
            assert post(f"{router.url}/tencent?token={TOKEN}", UNREADABLE, "application/xml").status == 200
        line = router.wait_for_log("request.quarantined")
        assert line["source"] == "ci"
        assert "line 1, column" in line["error"]
        router.wait_for_log("delivery.dead")
        (dead,) = quarantined(folder)
        shown = asked(folder, "dead", "show", dead["id"])
        assert "line 1, column" in shown["history"][-1]["error"]
        data = asked(folder, "events", "show", str(dead["sequence"]))["event"]["data"]
        assert (data["source"], data["path"], data.get("query", "")) == ("ci", "/tencent", "")
        assert data["body"].encode() == UNREADABLE
        (told,) = receiver.wait_for(1)
        assert json.loads(told.body)["type"] == "rule-router.request.quarantined"
        (source,) = [one for one in asked(folder, "doctor")["status"]["sources"] if one["name"] == "ci"]
        assert (source["quarantined"], source["requests"], source["refused"]) == (2, 2, {})
        assert router.terminate() == 0
    assert TOKEN not in json.dumps(router.log)
    everything = b"".join(file.read_bytes() for file in (folder / "data").rglob("*") if file.is_file())
    assert TOKEN.encode() not in everything


def test_on_an_open_source_it_is_refused_with_its_place(folder: Path, receiver: Receiver) -> None:
    write(folder, receiver)
    with run(folder) as router:
        reply = post(f"{router.url}/open", UNREADABLE, "application/xml")
        assert reply.status == 400
        assert "line 1, column" in json.loads(reply.body)["error"]
        wrong = post(f"{router.url}/tencent?token=wrong", UNREADABLE, "application/xml")
        assert wrong.status in {401, 403}
        assert quarantined(folder) == []
        assert asked(folder, "events")["events"] == []


def test_when_it_can_be_read_a_redrive_makes_its_events(folder: Path, receiver: Receiver) -> None:
    write(folder, receiver)
    with run(folder) as router:
        assert request("POST", f"{router.url}/alibaba", WITHOUT_VERSION, SIGNED).status == 200
        router.wait_for_log("delivery.dead")
        assert command("dead", "redrive", "--target", "quarantine", "--yes", cwd=folder).returncode == 0
        router.wait_for_log("delivery.dead", count=2)  # it still cannot be read
        write(folder, receiver, strict=False)
        router.hang_up()
        router.wait_for_log("router.reloaded")
        assert command("dead", "redrive", "--target", "quarantine", "--yes", cwd=folder).returncode == 0
        _, event = (json.loads(request.body) for request in receiver.wait_for(2))
        assert (event["id"], event["data"]) == ("1", {"a": 1})
        (stored,) = asked(folder, "events", "--type", "imm:Task:X")["events"]
        notes = asked(folder, "events", "show", str(stored["sequence"]))["notes"]
        assert notes == ["specversion-defaulted", "out-of-quarantine"]
        assert router.terminate() == 0
    assert quarantined(folder) == []


def test_a_redrive_says_how_many_could_be_read(folder: Path, receiver: Receiver) -> None:
    write(folder, receiver)
    with run(folder) as router:
        assert request("POST", f"{router.url}/alibaba", WITHOUT_VERSION, SIGNED).status == 200
        assert post(f"{router.url}/tencent?token={TOKEN}", UNREADABLE, "application/xml").status == 200
        router.wait_for_log("delivery.dead", count=2)
        again = command("dead", "redrive", "--target", "quarantine", "--yes", cwd=folder)
        assert again.returncode == 0
        first, second = again.stdout.splitlines()
        assert first == "redrive: done with 2 dead letters (2 of quarantine)"
        assert second.startswith("quarantine: 2 requests still cannot be read: dead again; see router dead ")
        ids = [one["id"] for one in quarantined(folder)]
        write(folder, receiver, strict=False)
        router.hang_up()
        router.wait_for_log("router.reloaded")
        named = command("dead", "redrive", *ids, "--yes", cwd=folder)
        assert named.returncode == 1
        assert named.stdout.splitlines()[1:] == [
            "quarantine: 1 request could be read now",
            "quarantine: 1 request still cannot be read: dead again; see router dead --target quarantine",
        ]
        told = asked(folder, "dead", "redrive", "--target", "quarantine", "--yes")
        assert told["quarantine"] == {"read": 0, "unreadable": 1, "waiting": 0}
        assert router.terminate() == 0
    later = command("dead", "redrive", "--target", "quarantine", "--yes", cwd=folder)
    assert "quarantine: 1 request will be read as soon as the router can" in later.stdout


def test_a_packed_request_is_kept_unpacked(folder: Path, receiver: Receiver) -> None:
    write(folder, receiver)
    packed = {"content-encoding": "gzip", "content-type": "application/xml"}
    with run(folder) as router:
        url = f"{router.url}/tencent?token={TOKEN}"
        assert request("POST", url, gzip.compress(UNREADABLE), packed).status == 200
        assert request("POST", url, UNREADABLE, packed | {"content-encoding": "br"}).status == 200
        router.wait_for_log("delivery.dead", count=2)
        sheets = [
            asked(folder, "events", "show", str(one["sequence"]))["event"]["data"]
            for one in quarantined(folder)
        ]
        assert {sheet["body"].encode() for sheet in sheets} == {UNREADABLE}
        assert [sheet["headers"].get("content-encoding") for sheet in sheets] == [None, "br"]
        assert router.terminate() == 0


def test_another_kind_under_the_same_name_does_not_read_it(folder: Path, receiver: Receiver) -> None:
    write(folder, receiver)
    with run(folder) as router:
        url = f"{router.url}/tencent?token={TOKEN}&type=bank.transfer&source=/bank"
        assert post(url, b'{"amount": 1}').status == 200
        router.wait_for_log("delivery.dead")
        configuration = (folder / "router.yml").read_text()
        (folder / "router.yml").write_text(
            configuration.replace("ci: {kind: tencent", "ci: {kind: cloudevents, path: /c")
        )
        router.hang_up()
        router.wait_for_log("router.reloaded")
        assert command("dead", "redrive", "--target", "quarantine", "--yes", cwd=folder).returncode == 0
        router.wait_for_log("delivery.dead", count=2)
        (dead,) = quarantined(folder)
        shown = asked(folder, "dead", "show", dead["id"])
        assert "no source is called 'ci' now that is of the kind 'tencent'" in shown["history"][-1]["error"]


def test_nobody_can_send_what_looks_like_it(folder: Path, receiver: Receiver) -> None:
    write(folder, receiver)
    sheet = {
        "source": "events",
        "kind": "cloudevents",
        "reason": "x",
        "path": "/events",
        "body": WITHOUT_VERSION.decode(),
    }
    forged = {"specversion": "1.0", "id": "1", "source": "s", "type": "rule-router.request.quarantined"}
    with run(folder) as router:
        body = json.dumps(forged | {"data": sheet}).encode()
        assert post(f"{router.url}/events", body, "application/cloudevents+json").status == 202
        (told,) = receiver.wait_for(1)
        assert json.loads(told.body)["data"] == sheet
        assert router.terminate() == 0
    (event,) = asked(folder, "events")["events"]
    shown = asked(folder, "events", "show", str(event["sequence"]))
    assert [one["target"] for one in shown["deliveries"]] == ["hook"]


def test_its_name_is_taken(folder: Path, receiver: Receiver) -> None:
    folder.mkdir()
    (folder / "router.yml").write_text("targets: {quarantine: {log: {}}}")
    found = command("check", cwd=folder)
    assert found.returncode == 2
    assert "'quarantine' is the router's own" in found.stdout + found.stderr
