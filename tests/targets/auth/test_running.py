"""A running router says who asks, and nowhere else: not in its log, its data or what commands print."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.client import post
from tests.process import RouterProcess
from tests.receiver import Answer, Receiver, Request
from tests.targets.auth.authorization import CLIENT, SECRET, authorization
from tests.targets.clock import StandingClock

TOKEN = "hush/+ &=-token"
WEBHOOKS = "whsec_aHVzaCwgb3IgdGhlIG90aGVycyB3aWxsIGhlYXIh"
ENVIRON = {"TOKEN": TOKEN, "CLIENT_SECRET": SECRET, "WEBHOOKS": WEBHOOKS}


def write(folder: Path, targets: dict[str, Any]) -> Path:
    """A deployment in which every event goes to all of these."""
    folder.mkdir()
    rule = {"name": "all", "match": {"type": "test.*"}, "targets": list(targets)}
    retry = {"first": "50ms", "most": "50ms", "attempts": 2}
    held = {name: {"http": http, "retry": retry} for name, http in targets.items()}
    (folder / "router.yml").write_text(json.dumps({"rules": [rule], "targets": held}), encoding="utf-8")
    return folder


def send(running: RouterProcess) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/tests", "type": "test.event", "data": {"n": 12}}
    answer = post(f"{running.url}/events", json.dumps(event).encode(), "application/cloudevents+json")
    assert answer.status == 202, answer.body


def said(*arguments: str) -> str:
    """What a command prints, whatever it thinks of it."""
    command = [sys.executable, "-m", "router", *arguments]
    env = dict(os.environ) | ENVIRON
    done = subprocess.run(command, capture_output=True, env=env, timeout=60, check=False)
    return (done.stdout + done.stderr).decode()


def test_all_of_it_together(tmp_path: Path, receiver: Receiver) -> None:
    clock = StandingClock(time.time())
    with authorization(clock, receiver) as server:
        judge = receiver.decide
        consent = Answer(200, {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "6000"})
        receiver.decide = lambda request: consent if request.method == "OPTIONS" else judge(request)
        oauth = {"token_url": f"{server.server.url}/token", "client_id": CLIENT}
        http = {
            "url": f"{receiver.url}/hook",
            "method": "PUT",
            "headers": {"x-number": "n-{{ data.n }}"},
            "auth": {"oauth": oauth | {"client_secret": "${CLIENT_SECRET}"}},
            "sign": {"standard-webhooks": ["${WEBHOOKS}"]},
            "handshake": {"origin": "router.example.com"},
        }
        folder = write(tmp_path / "deployment", {"hook": http})
        with RouterProcess([folder], tmp_path / "data", ENVIRON) as running:
            send(running)
            asked, sent = receiver.wait_for(2)
            assert running.terminate() == 0
    assert (asked.method, sent.method, sent.headers["x-number"]) == ("OPTIONS", "PUT", "n-12")
    assert sent.headers["authorization"].removeprefix("Bearer ") in server.issued
    assert Webhook(WEBHOOKS).verify(sent.body, sent.headers)["data"] == {"n": 12}


def echo(request: Request) -> Answer:
    """An answer that repeats whatever it was told, and more."""
    if request.target == "/token":
        return Answer(401, body=json.dumps({"error": "no", "error_description": SECRET}).encode())
    return Answer(500, body=f"{request.target} {TOKEN} {request.headers.get('authorization')}".encode())


def test_no_secret_is_written_anywhere(tmp_path: Path, receiver: Receiver) -> None:
    receiver.decide = echo
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    oauth = {"token_url": f"{receiver.url}/token", "client_id": CLIENT, "client_secret": "${CLIENT_SECRET}"}
    auths: dict[str, Any] = {
        "bearer": {"bearer": "${TOKEN}"},
        "of-a-file": {"bearer": {"file": "../token"}},
        "basic": {"basic": {"user": "router", "password": "${TOKEN}"}},
        "header": {"api-key": {"header": "x-key", "value": "${TOKEN}"}},
        "query": {"api-key": {"query": "key", "value": "${TOKEN}"}},
        "oauth": {"oauth": oauth},
    }
    url = f"{receiver.url}/hook"
    folder = write(
        tmp_path / "deployment", {name: {"url": url, "auth": auth} for name, auth in auths.items()}
    )
    both = {"url": url, "auth": auths["bearer"], "headers": {"authorization": "${TOKEN}"}}
    broken = write(tmp_path / "broken", {"a": both})
    data = tmp_path / "data"
    with RouterProcess([folder], data, ENVIRON) as running:
        send(running)
        running.wait_for_log("target.broken")
        dead = running.wait_for_log("delivery.dead", count=len(auths) - 1)
        sequence = dead["delivery"].partition("-")[0]
        shown = "".join(said(what, "show", sequence, "--data", str(data)) for what in ("deliveries", "dead"))
        assert shown.count("500 Internal Server Error") >= 2 * len(auths)
        assert running.terminate() == 0
    shown += said("check", str(broken)) + json.dumps(running.log)
    kept = b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())
    assert "is set by auth" in shown
    assert b"***" in kept
    for secret in ("hush", "hush%2F%2B", base64.b64encode(f"router:{TOKEN}".encode()).decode()):
        assert secret not in shown
        assert secret.encode() not in kept
