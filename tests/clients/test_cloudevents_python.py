"""The CloudEvents SDK for Python, as a sender and as a reader, and what it does in its own way."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.arrivals import arrived
from tests.clients.environments import client
from tests.process import RouterProcess
from tests.receiver import Receiver

TOKEN = "s3cret-token"

CONFIGURATION = """
sources: {events: {kind: cloudevents, tokens: [s3cret-token]}}
rules: [{name: all, match: {source: {exists: true}}, targets: [arrived]}]
targets: {arrived: {%s}}
"""
FILE = 'file: {path: "arrived.jsonl"}'

POST = """
import json, sys
from http.client import HTTPConnection
from datetime import datetime, timezone
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1])
statuses = []

def post(headers, body):
    connection = HTTPConnection(url.hostname, url.port, timeout=10)
    connection.request("POST", "/events", body, {**headers, "Authorization": "Bearer " + sys.argv[2]})
    answer = connection.getresponse()
    statuses.append([answer.status, answer.read().decode()])
    connection.close()
"""
"""How a sender of either API of the SDK posts what that makes of an event."""

CORE = """
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

def event(number, data=None, **more):
    return CloudEvent({
        "id": number, "source": "/quelle/\\u9501", "type": "com.example.test",
        "time": datetime(2026, 1, 31, 8, 30, 0, 120, tzinfo=timezone.utc), **more}, data)

UNUSUAL = {
    "subject": "\\u00dcber \\U0001f600 100%25 \\"a\\"",
    "exttext": "\\u20ac ; a", "extint": -7, "extbool": True,
}
JSON = {"n": 1.5, "text": "\\u9501\\U0001f600", "big": 6353842115261500790, "none": None}

for mode, to in (("structured", http.to_structured_event), ("binary", http.to_binary_event)):
    for made in (
        event(mode + "-json", JSON, datacontenttype="application/json", **UNUSUAL),
        event(mode + "-plain-json", {"a": [1]}),
        event(mode + "-text", "a \\u20ac\\n", datacontenttype="text/plain"),
        event(mode + "-bytes", b"\\x00\\xff", datacontenttype="image/png"),
        event(mode + "-nothing"),
    ):
        message = to(made)
        post(message.headers, message.body)
batch = [JSONFormat().write(event("batch-" + str(n), b"\\xff" if n else {"n": n})) for n in range(3)]
post({"content-type": "application/cloudevents-batch+json"}, b"[" + b",".join(batch) + b"]")
# What the SDK makes of a text that is declared to be JSON is none in binary mode.
message = http.to_binary_event(event("no-json", "bare", datacontenttype="application/json"))
post(message.headers, message.body)
print(json.dumps(statuses))
"""

V1 = """
from cloudevents.v1.http import CloudEvent
from cloudevents.v1.conversion import to_binary, to_structured

def event(number, data, **more):
    attributes = {"id": number, "source": "/s", "type": "t", "time": "2026-01-31T08:30:00Z", **more}
    return CloudEvent(attributes, data)

for mode, to in (("structured", to_structured), ("binary", to_binary)):
    post(*to(event(mode + "-json", {"a": "\\u9501"}, datacontenttype="application/json", exttext="a b")))
    octets = event(mode + "-bytes", b"\\x00\\xff", datacontenttype="image/png")
    post(*to(octets, data_marshaller=lambda data: data))
# This API writes headers as they are, and http.client writes them as Latin-1.
post(*to_binary(event("latin", {}, subject="\\u00fcber")))
print(json.dumps(statuses))
"""

READ = """
import base64, json, sys
from cloudevents.core.bindings import http

def plain(value):
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return value.isoformat() if hasattr(value, "isoformat") else value

found = []
for headers, body in json.load(sys.stdin):
    event = http.from_http_event(http.HTTPMessage(headers, base64.b64decode(body)))
    attributes = {name: plain(value) for name, value in event.get_attributes().items()}
    found.append([attributes, plain(event.get_data())])
print(json.dumps(found))
"""

NEEDED = {"specversion": "1.0", "source": "/quelle/锁", "type": "com.example.test"}
UNUSUAL = {"subject": 'Über 😀 100%25 "a"', "exttext": "€ ; a", "extint": -7, "extbool": True}
JSON = {"n": 1.5, "text": "锁😀", "big": 6353842115261500790, "none": None}


def run(script: str, *arguments: str, given: str = "") -> Any:
    python = client("cloudevents") / "bin/python"
    ended = subprocess.run(
        [python, "-c", script, *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def sent(script: str, count: int, folder: Path) -> tuple[list[Any], dict[str, dict[str, Any]]]:
    """What the router answered, and the events that arrived, by id."""
    client("cloudevents")
    (folder / "router.yml").write_text(CONFIGURATION % FILE)
    with RouterProcess([folder / "router.yml"], folder / "data") as router:
        statuses = run(POST + script, router.url, TOKEN)
        events = arrived(folder / "data/arrived.jsonl", count)
        assert router.terminate() == 0
    return statuses, events


def test_what_the_sdk_sends_arrives_in_every_mode(tmp_path: Path) -> None:
    statuses, events = sent(CORE, 13, tmp_path)
    assert [status for status, _ in statuses] == [202] * 11 + [400]
    assert json.loads(statuses[-1][1])["error"] == "line 1, column 1: 'bare' where a value should stand"
    time = {"time": "2026-01-31T08:30:00.000120Z"}
    for mode in ("structured", "binary"):
        # In headers all is text, and Python's True is not the specification's `true`.
        unusual = UNUSUAL if mode == "structured" else {**UNUSUAL, "extint": "-7", "extbool": "True"}
        common = {**NEEDED, **time}
        json_event = {**common, "datacontenttype": "application/json", **unusual, "data": JSON}
        assert events.pop(f"{mode}-json") == {"id": f"{mode}-json", **json_event}
        assert events.pop(f"{mode}-plain-json") == {"id": f"{mode}-plain-json", **common, "data": {"a": [1]}}
        text = {"id": f"{mode}-text", **common, "datacontenttype": "text/plain", "data": "a €\n"}
        assert events.pop(f"{mode}-text") == text
        octets = {"id": f"{mode}-bytes", **common, "datacontenttype": "image/png", "data_base64": "AP8="}
        assert events.pop(f"{mode}-bytes") == octets
        assert events.pop(f"{mode}-nothing") == {"id": f"{mode}-nothing", **common}
    octets = {**NEEDED, **time, "datacontenttype": "application/octet-stream", "data_base64": "/w=="}
    assert events == {
        "batch-0": {"id": "batch-0", **NEEDED, **time, "data": {"n": 0}},
        "batch-1": {"id": "batch-1", **octets},
        "batch-2": {"id": "batch-2", **octets},
    }


def test_what_the_older_api_of_the_sdk_sends_arrives_too(tmp_path: Path) -> None:
    statuses, events = sent(V1, 4, tmp_path)
    assert [status for status, _ in statuses] == [202] * 4 + [400]
    advice = "what is not ASCII goes there as the percent-encoded bytes of its UTF-8"
    assert json.loads(statuses[-1][1])["error"] == f"ce-subject: is not UTF-8; {advice}"
    for mode in ("structured", "binary"):
        common = {"specversion": "1.0", "source": "/s", "type": "t", "time": "2026-01-31T08:30:00Z"}
        json_data = {"datacontenttype": "application/json", "exttext": "a b", "data": {"a": "锁"}}
        assert events.pop(f"{mode}-json") == {"id": f"{mode}-json", **common, **json_data}
        octets = {"datacontenttype": "image/png", "data_base64": "AP8="}
        assert events.pop(f"{mode}-bytes") == {"id": f"{mode}-bytes", **common, **octets}
    assert not events


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_the_sdk_reads_what_the_router_sends(mode: str, receiver: Receiver, tmp_path: Path) -> None:
    client("cloudevents")
    target = f'http: {{url: "{receiver.url}/hook", format: {mode}}}'
    (tmp_path / "router.yml").write_text(CONFIGURATION % target)
    with RouterProcess([tmp_path / "router.yml"], tmp_path / "data") as router:
        run(POST + CORE, router.url, TOKEN)
        messages = receiver.wait_for(13)
        assert router.terminate() == 0
    given = json.dumps([[m.headers, base64.b64encode(m.body).decode()] for m in messages])
    read = {attributes["id"]: (attributes, data) for attributes, data in run(READ, given=given)}
    attributes, data = read["structured-json"]
    texts = UNUSUAL if mode == "structured" else {**UNUSUAL, "extint": "-7", "extbool": "true"}
    assert attributes == {
        "id": "structured-json",
        **NEEDED,
        **texts,
        "datacontenttype": "application/json",
        "time": "2026-01-31T08:30:00.000120+00:00",
    }
    assert data == JSON
    assert read["binary-bytes"][1] == {"bytes": "AP8="}
    assert read["binary-text"][1] == "a €\n"
    assert read["structured-nothing"][1] is None
