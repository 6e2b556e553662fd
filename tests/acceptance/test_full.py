"""A store that is full turns senders away in time, the patient ones first, and says why; then it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from router import samples
from tests.client import Reply, post, request
from tests.process import RouterProcess

BIG = "x" * 20_000


def write(folder: Path, settings: dict[str, Any]) -> None:
    rules = [{"name": "all", "match": {"type": "*"}, "targets": ["audit"]}]
    targets = {"audit": {"file": {"path": "audit.jsonl"}}}
    text = json.dumps({"rules": rules, "targets": targets, "settings": settings})
    (folder / "router.yml").write_text(text)


def send(running: RouterProcess, number: int) -> Reply:
    event = {"specversion": "1.0", "id": str(number), "source": "/tests", "type": "test.event", "data": BIG}
    return post(f"{running.url}/events", json.dumps(event).encode(), "application/cloudevents+json")


def callback(running: RouterProcess) -> Reply:
    sample = samples.load("tencent")[0]
    return post(running.url + sample.path, sample.body, sample.content_type)


def test_a_full_store_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "deployment"
    folder.mkdir()
    write(folder, {"quota": "2MB", "archive": {"most": "1MB"}})
    with RouterProcess([folder], tmp_path / "data") as running:
        assert request("GET", f"{running.url}/readyz").status == 200
        number, answer = 0, send(running, 0)
        while answer.status == 202 and number < 200:
            number += 1
            answer = send(running, number)
        assert (answer.status, answer.headers["retry-after"]) == (429, "5")
        running.wait_for_log("store.full")
        assert callback(running).status == 200  # a sender who does not come again has a reserve
        assert request("GET", f"{running.url}/healthz").status == 200
        write(folder, {"quota": "50MB", "archive": {"most": "1MB"}})
        running.wait_for_log("router.reloaded", 30)
        assert send(running, number).status == 202
        ready = request("GET", f"{running.url}/readyz")
        assert (ready.status, json.loads(ready.body)) == (200, {"status": "ready"})
        assert running.terminate() == 0
    lines = (tmp_path / "data" / "audit.jsonl").read_text().splitlines()
    assert len(lines) == number + 2
