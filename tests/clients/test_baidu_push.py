"""Baidu's own signer in front of pushes to a running router: what it signs gets in, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router import samples
from tests.clients.arrivals import arrived
from tests.clients.environments import client
from tests.process import RouterProcess

OLD, NEW = ["ak-old", "sk-of-before"], ["ak-new", "sk-of-today"]

CONFIGURATION = """
sources:
  bos:
    kind: baidu
    keys: [{id: ak-old, secret: sk-of-before}, {id: ak-new, secret: sk-of-today}]
  covered:
    kind: baidu
    path: /covered
    cover_body: true
    keys: [{id: ak-new, secret: sk-of-today}]
rules: [{name: all, match: {source: {exists: true}}, targets: [arrived]}]
targets: {arrived: {file: {path: "arrived.jsonl"}}}
"""

PUSH = """
import json, sys
from http.client import HTTPConnection
from urllib.parse import urlsplit
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.auth.bce_v1_signer import sign

url = urlsplit(sys.argv[1])
answers = []
for push in json.load(sys.stdin):
    path, _, query = push["path"].partition("?")
    headers = {"Host": url.netloc, "Content-Type": "application/json; charset=utf-8",
               "Content-Length": str(len(push["body"].encode())), **push["headers"]}
    named = push["signed"]
    if named is not None:
        named = type({"list": [], "set": set()}[named[0]])(name.encode() for name in named[1:])
    authorization = sign(
        BceCredentials(*push["key"]), b"POST", path.encode(),
        {name.encode(): value.encode() for name, value in headers.items()},
        {query.encode(): None} if query else {}, timestamp=push["at"], headers_to_sign=named)
    later = push["later"]
    path = later.get("path", push["path"])
    body = later.get("body", push["body"]).encode()
    headers = {**headers, **later.get("headers", {}), "Content-Length": str(len(body))}
    if "authorization" not in later:
        headers["Authorization"] = authorization.decode()
    connection = HTTPConnection(url.hostname, url.port, timeout=10)
    connection.request("POST", path, body, {name: text.encode() for name, text in headers.items()})
    answer = connection.getresponse()
    answers.append([answer.status, answer.read().decode()])
    connection.close()
print(json.dumps(answers))
"""
"""Signs each push with the SDK, changes what is to be changed later, and sends it."""

SAMPLE = next(sample.body.decode() for sample in samples.load("baidu") if sample.name == "2025.json")
DATE = {"x-bce-date": "2026-11-22T12:00:00Z"}

POST_EVENT = {
    "version": "1.0",
    "eventId": "2a513199-bbb9-4ac7-b12a-60213c26810d",
    "eventType": "PutObject",
    "eventTime": "2018-09-05T02:28:49Z",
    "content": {
        "domain": "bj.bcebos.com",
        "bucket": "bucket-test",
        "object": "images/test.jpg",
        "credentials": {
            "accessKeyId": "TEMPORARY-KEY",
            "secretAccessKey": "TEMPORARY-SECRET",
            "sessionToken": "TEMPORARY-TOKEN",
        },
    },
}


def numbered(number: int) -> str:
    """The document's push, about an object of its own."""
    return SAMPLE.replace("977b9623a15e520c663ac5ff6647e881", f"{number:032x}")


def push(body: str = SAMPLE, path: str = "/?result", **more: Any) -> dict[str, Any]:
    usual = {"key": NEW, "headers": DATE, "signed": None, "at": int(time.time()), "later": {}}
    return usual | {"body": body, "path": path} | more


def md5(body: str) -> dict[str, str]:
    return {"Content-MD5": base64.b64encode(hashlib.md5(body.encode()).digest()).decode()}


def sha256(body: str) -> dict[str, str]:
    return {"x-bce-content-sha256": hashlib.sha256(body.encode()).hexdigest()}


def sent(router: RouterProcess, *pushes: dict[str, Any]) -> list[Any]:
    """What the router answered to each: status and body."""
    python = client("baidu") / "bin" / "python"
    command: list[str | Path] = [python, "-W", "ignore", "-c", PUSH, router.url]
    run = subprocess.run(command, input=json.dumps(pushes), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: list[Any] = json.loads(run.stdout)
    return found


@pytest.fixture
def router(tmp_path: Path) -> Iterator[RouterProcess]:
    client("baidu")  # who lacks it need not start a router
    file = tmp_path / "router.yml"
    file.write_text(CONFIGURATION)
    with RouterProcess([file], tmp_path / "data") as running:
        yield running


def kept(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


def test_each_way_in_which_the_sdk_signs_headers_is_accepted(router: RouterProcess, tmp_path: Path) -> None:
    bodies = [numbered(number) for number in range(6)]
    answers = sent(
        router,
        push(bodies[0]),
        push(bodies[1], headers={}, signed=["list", "host"]),
        push(bodies[2], signed=["list", "host"]),  # covers x-bce-date, and does not say so
        push(bodies[3], signed=["set", "host", "x-bce-date", "content-type", "content-length"]),
        push(bodies[4], headers=DATE | md5(bodies[4]), signed=["list", "host", "content-md5"], key=OLD),
        push(
            bodies[5],
            "/v1/bucket-test/?result",
            headers=DATE | sha256(bodies[5]) | {"x-bce-empty": "", "x-bce-odd": " ä /:%"},
        ),
    )
    assert answers == [[200, "{}"]] * 6
    assert len(arrived(tmp_path / "data" / "arrived.jsonl", 12)) == 12


def test_what_was_changed_after_it_was_signed_is_refused(router: RouterProcess, tmp_path: Path) -> None:
    covered: dict[str, Any] = {"headers": DATE | sha256(SAMPLE)}
    answers = sent(
        router,
        push(later={"path": "/v1/bucket-test/?result"}),
        push(later={"path": "/?event"}),
        push(later={"headers": {"Content-Type": "text/plain"}}),
        push(later={"headers": {"x-bce-date": "2026-11-22T12:00:01Z"}}),
        push(**covered, later={"body": SAMPLE.replace("Ponytail", "Portrait")}),
        push(headers=md5(SAMPLE), later={"body": SAMPLE + " ", "headers": {"Content-Length": "1"}}),
        push(key=["ak-new", "sk-that-was-guessed"]),
        push(at=int(time.time()) - 3000),
        push(later={"authorization": None}),
        push(path="/covered?result"),
    )
    assert [status for status, _ in answers] == [403, 403, 403, 403, 403, 403, 403, 401, 401, 403]
    assert sent(router, push(path="/covered?result", **covered)) == [[200, "{}"]]
    assert len(arrived(tmp_path / "data" / "arrived.jsonl", 2)) == 2
    said = json.dumps(router.log) + "".join(router.output) + json.dumps(answers)
    for secret in ("sk-of", "sk-that", "bce-auth-v1"):
        assert secret not in said


@pytest.mark.parametrize("path", ["/?event", "/v1/bucket-test/?event", "/v1/bucket-test?event"])
def test_the_credentials_of_an_event_are_kept_nowhere(
    path: str, router: RouterProcess, tmp_path: Path
) -> None:
    body = json.dumps({"events": [POST_EVENT]})
    broken = body[:-3]
    answers = sent(router, push(body, path), push(broken, path))
    assert answers == [[200, "{}"]] * 2  # the second one is in quarantine: to repeat it would be of no use
    events = {event["type"]: event for event in arrived(tmp_path / "data" / "arrived.jsonl", 2).values()}
    event = events.pop("com.baidubce.bos.PutObject")
    assert list(events) == ["rule-router.request.quarantined"]
    assert event["id"] == POST_EVENT["eventId"]
    assert set(event["data"]["content"]["credentials"].values()) == {"[redacted]"}
    assert router.terminate() == 0
    assert b"images/test.jpg" in kept(tmp_path / "data")
    assert b"TEMPORARY" not in kept(tmp_path / "data")
    assert "TEMPORARY" not in json.dumps(router.log) + "".join(router.output)
