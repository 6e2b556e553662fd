"""The CloudEvents SDK for JavaScript, as a sender and as a reader, and what it does in its own way."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.clients.arrivals import arrived
from tests.clients.environments import client
from tests.process import RouterProcess
from tests.receiver import Receiver, Request

CONFIGURATION = """
sources: {events: {kind: cloudevents, tokens: [another, s3cret-token]}}
rules: [{name: all, match: {source: {exists: true}}, targets: [arrived]}]
targets: {arrived: {%s}}
"""
FILE = 'file: {path: "arrived.jsonl"}'

SEND = r"""
const { CloudEvent, HTTP, Mode, emitterFor, httpTransport } = require("cloudevents");
const url = process.argv[1] + "/events";
const token = { Authorization: "Bearer s3cret-token" };

const event = (id, more) => new CloudEvent({
  id, source: "/quelle", type: "com.example.test", time: "2026-01-31T08:30:00Z", ...more });
const JSON_DATA = { n: 1.5, text: "锁😀", list: [{ a: null }] };
const EXTENSIONS = { exttext: "a ; b", extint: -7, extbool: true };
const octets = { datacontenttype: "image/png", data: new Uint8Array([0, 255]) };

async function post(message) {
  const headers = { ...message.headers, ...token };
  const answer = await fetch(url, { method: "POST", body: message.body, headers });
  return [answer.status, await answer.text()];
}

async function main() {
  const emit = {
    structured: emitterFor(httpTransport(url), { mode: Mode.STRUCTURED }),
    binary: emitterFor(httpTransport(url)),
  };
  for (const mode of ["structured", "binary"]) {
    const send = (id, more) => emit[mode](event(mode + "-" + id, more), { headers: token });
    await send("json", { data: JSON_DATA, ...EXTENSIONS });
    await send("declared", { data: JSON_DATA, datacontenttype: "application/vnd.x+json" });
    await send("text", { data: "a €\n", datacontenttype: "text/plain" });
    await send("bytes", octets);
    await send("base64", { data_base64: "AP8=", datacontenttype: "image/png" });
    await send("null", { data: null });
  }
  await emit.structured(event("nothing", {}), { headers: token });
  await emit.structured(event("subject", { subject: "Über 😀 \"a\" 100%25" }), { headers: token });
  // In headers the SDK encodes nothing: who sends more than ASCII has to.
  const encoded = encodeURIComponent("Über 😀 \"a\" 100%25");
  await emit.binary(event("encoded", { subject: encoded, data: {} }), { headers: token });
  const statuses = [];
  statuses.push(await post({
    headers: { "content-type": "application/cloudevents-batch+json" },
    body: JSON.stringify([event("batch-0", { data: JSON_DATA, ...EXTENSIONS }), event("batch-1", octets)]),
  }));
  statuses.push(await post(HTTP.binary(event("latin", { subject: "Über", data: {} }))));
  statuses.push(await post(HTTP.binary(event("bare", { data: "bare" }))));
  statuses.push(await post({ headers: HTTP.structured(event("v", {})).headers,
    body: JSON.stringify({ ...event("v", {}).toJSON(), specversion: "0.3" }) }));
  console.log(JSON.stringify(statuses));
}
main();
"""

READ = r"""
const { HTTP } = require("cloudevents");
const messages = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(messages.map(([headers, body]) => HTTP.toEvent({ headers, body }))));
"""

COMMON = {
    "specversion": "1.0",
    "source": "/quelle",
    "type": "com.example.test",
    "time": "2026-01-31T08:30:00.000Z",
}
JSON_DATA = {"n": 1.5, "text": "锁😀", "list": [{"a": None}]}
EXTENSIONS = {"exttext": "a ; b", "extint": -7, "extbool": True}
OCTETS = {"datacontenttype": "image/png", "data_base64": "AP8="}
UNUSUAL = 'Über 😀 "a" 100%25'


def run(script: str, *arguments: str, given: str = "") -> Any:
    ended = subprocess.run(
        ["node", "-e", script, *arguments],
        cwd=client("js"),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_what_the_sdk_sends_arrives_in_every_mode(tmp_path: Path) -> None:
    client("js")
    (tmp_path / "router.yml").write_text(CONFIGURATION % FILE)
    with RouterProcess([tmp_path / "router.yml"], tmp_path / "data") as router:
        statuses = run(SEND, router.url)
        events = arrived(tmp_path / "data/arrived.jsonl", 17)
        assert router.terminate() == 0
    assert [status for status, _ in statuses] == [202, 400, 400, 400]
    advice = "what is not ASCII goes there as the percent-encoded bytes of its UTF-8"
    assert [json.loads(text)["error"] for _, text in statuses[1:]] == [
        f"ce-subject: is not UTF-8; {advice}",
        "line 1, column 1: 'bare' where a value should stand",
        "specversion: '0.3', but this router speaks \"1.0\"",
    ]
    expected: dict[str, dict[str, Any]] = {
        "nothing": {},
        "subject": {"subject": UNUSUAL},
        "encoded": {
            "subject": UNUSUAL,
            "datacontenttype": "application/json; charset=utf-8",
            "data": {},
        },
        "batch-0": {**EXTENSIONS, "data": JSON_DATA},
        "batch-1": OCTETS,
    }
    for mode in ("structured", "binary"):
        # In binary mode the SDK names the type of every payload.
        named = {} if mode == "structured" else {"datacontenttype": "application/json; charset=utf-8"}
        texts = EXTENSIONS if mode == "structured" else {**EXTENSIONS, "extint": "-7", "extbool": "true"}
        expected |= {
            f"{mode}-json": {**named, **texts, "data": JSON_DATA},
            f"{mode}-declared": {"datacontenttype": "application/vnd.x+json", "data": JSON_DATA},
            f"{mode}-text": {"datacontenttype": "text/plain", "data": "a €\n"},
            f"{mode}-bytes": OCTETS,
            f"{mode}-base64": OCTETS,
            f"{mode}-null": {**named, "data": None},
        }
    assert events == {id_: {"id": id_, **COMMON, **more} for id_, more in expected.items()}


def read_back(target: str, receiver: Receiver, folder: Path) -> dict[str, dict[str, Any]]:
    """What the SDK reads of what the router sends on, by id."""
    client("js")
    (folder / "router.yml").write_text(CONFIGURATION % target)
    with RouterProcess([folder / "router.yml"], folder / "data") as router:
        run(SEND, router.url)
        requests = receiver.requests
        while len(events := read(requests)) < 17:
            requests = receiver.wait_for(len(requests) + 1)
        assert router.terminate() == 0
    return {event["id"]: event for event in events}


def read(requests: list[Request]) -> list[dict[str, Any]]:
    # As text: that is what the SDK's reader of bodies takes.
    messages = [[request.headers, request.body.decode(errors="replace")] for request in requests]
    found = run(READ, given=json.dumps(messages))
    return [event for one in found for event in (one if isinstance(one, list) else [one])]


def test_the_sdk_reads_structured_events_of_the_router(receiver: Receiver, tmp_path: Path) -> None:
    events = read_back(f'http: {{url: "{receiver.url}/hook"}}', receiver, tmp_path)
    assert len(events) == 17
    assert events["structured-json"] == {
        "id": "structured-json",
        **COMMON,
        **EXTENSIONS,
        "data": JSON_DATA,
    }
    assert events["subject"]["subject"] == UNUSUAL
    assert events["encoded"]["subject"] == UNUSUAL


def test_the_sdk_reads_binary_events_of_the_router(receiver: Receiver, tmp_path: Path) -> None:
    events = read_back(f'http: {{url: "{receiver.url}/hook", format: binary}}', receiver, tmp_path)
    expected = {**COMMON, "extint": "-7", "extbool": "true", "data": JSON_DATA}
    assert {name: events["structured-json"][name] for name in expected} == expected
    assert events["structured-text"]["data"] == "a €\n"
    # The SDK decodes no header: the percent-encoding is the specification's.
    assert events["subject"]["subject"] == "%C3%9Cber%20%F0%9F%98%80%20%22a%22%20100%2525"


def test_the_sdk_reads_batches_of_the_router(receiver: Receiver, tmp_path: Path) -> None:
    batch = "batch: {size: 5, linger: 200ms}"
    events = read_back(f'http: {{url: "{receiver.url}/hook", {batch}}}', receiver, tmp_path)
    assert len(events) == 17
    assert events["batch-0"] == {"id": "batch-0", **COMMON, **EXTENSIONS, "data": JSON_DATA}
    assert events["batch-1"]["data_base64"] == "AP8="
    kinds = {request.headers["content-type"] for request in receiver.requests}
    assert kinds == {"application/cloudevents-batch+json"}
