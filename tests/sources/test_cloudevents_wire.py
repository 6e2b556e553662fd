"""A `cloudevents` source on the wire: what a sender of any make meets at a running router."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import Reply, post, request
from tests.clients.arrivals import arrived
from tests.process import RouterProcess
from tests.receiver import Receiver

TOKEN = "mF_9.B5f-4.1JqM"
STRUCTURED = {"content-type": "application/cloudevents+json"}
ONE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
BODY = json.dumps(ONE).encode()

CONFIGURATION = """
sources:
  guarded: {kind: cloudevents, path: /guarded, tokens: [%(token)s, other]}
  lenient: {kind: cloudevents, path: /lenient, strict: false}
  events: {kind: cloudevents}
  ci: {kind: tencent}
rules: [{name: all, match: {source: {exists: true}}, targets: [file, structured, binary]}]
targets:
  file: {file: {path: arrived.jsonl}}
  structured: {http: {url: "%(url)s/structured"}}
  binary: {http: {url: "%(url)s/binary", format: binary}}
"""


@pytest.fixture
def router(receiver: Receiver, tmp_path: Path) -> Iterator[RouterProcess]:
    (tmp_path / "router.yml").write_text(CONFIGURATION % {"token": TOKEN, "url": receiver.url})
    with RouterProcess([tmp_path / "router.yml"], tmp_path / "data") as running:
        yield running


def greet(url: str, **headers: str) -> Reply:
    return request("OPTIONS", url, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_the_handshake_of_a_sender_that_asks_first(router: RouterProcess, receiver: Receiver) -> None:
    for path in ("/events", "/guarded", f"/guarded?access_token={TOKEN}"):
        answer = greet(
            router.url + path,
            WebHook_Request_Origin="eventgrid.example.net",
            WebHook_Request_Rate="120",
            WebHook_Request_Callback=f"{receiver.url}/confirm?key=secret",
        )
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["webhook-allowed-origin"] == "eventgrid.example.net"
        assert answer.headers["webhook-allowed-rate"] == "120"
        assert answer.headers["allow"] == "POST"
    assert post(f"{router.url}/events", BODY, STRUCTURED["content-type"]).status == 202
    assert {request.target for request in receiver.wait_for(2)} == {"/structured", "/binary"}


@pytest.mark.parametrize("path", ["/events", "/tencent"])
def test_other_options_requests_are_405_and_give_no_consent(router: RouterProcess, path: str) -> None:
    answer = greet(router.url + path, Origin="https://example.com", Access_Control_Request_Method="POST")
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert not [name for name in answer.headers if name.startswith(("webhook-", "access-control-"))]


def test_who_names_no_token_or_a_wrong_one_stores_nothing(router: RouterProcess, tmp_path: Path) -> None:
    url = f"{router.url}/guarded"
    wrong = "not-this-one"
    refused = [
        request("POST", url, BODY, STRUCTURED),
        request("POST", url, BODY, STRUCTURED | {"authorization": f"Bearer {wrong}"}),
        request("POST", f"{url}?access_token={wrong}", BODY, STRUCTURED),
        request(
            "POST", f"{url}?access_token={wrong}", BODY, STRUCTURED | {"authorization": f"Bearer {TOKEN}"}
        ),
        request("POST", url, b"no event at all", STRUCTURED | {"authorization": f"Bearer {wrong}"}),
    ]
    assert [answer.status for answer in refused] == [401, 401, 401, 400, 401]
    assert all(answer.headers["www-authenticate"].startswith("Bearer realm=") for answer in refused)
    last = BODY.replace(b'"1"', b'"last"')
    accepted = request("POST", url, last, STRUCTURED | {"Authorization": f"Bearer {TOKEN}"})
    assert (accepted.status, accepted.headers.get("cache-control")) == (202, None)
    accepted = request("POST", f"{url}?access_token=other", last.replace(b"last", b"more"), STRUCTURED)
    assert (accepted.status, accepted.headers["cache-control"]) == (202, "private")
    assert arrived(tmp_path / "data/arrived.jsonl", 2).keys() == {"last", "more"}
    assert router.terminate() == 0
    for secret in (TOKEN, wrong):
        assert secret not in json.dumps([router.log, router.output])


def test_a_version_that_was_filled_in_is_on_record(router: RouterProcess, tmp_path: Path) -> None:
    body = json.dumps({name: value for name, value in ONE.items() if name != "specversion"}).encode()
    assert request("POST", f"{router.url}/events", body, STRUCTURED).status == 400
    assert request("POST", f"{router.url}/lenient", body, STRUCTURED).status == 202
    assert arrived(tmp_path / "data/arrived.jsonl", 1)["1"] == ONE
    (listed,) = json.loads(request("GET", f"{router.url}/api/v1/events").body)["events"]
    shown = json.loads(request("GET", f"{router.url}/api/v1/events/{listed['sequence']}").body)
    assert shown["notes"] == ["specversion-defaulted"]


def test_header_names_have_no_case_and_values_are_the_bytes_that_were_sent(
    router: RouterProcess, tmp_path: Path
) -> None:
    headers = {
        "CE-SpecVersion": "1.0",
        "Ce-Id": "1",
        "cE-sOURCE": "/s",
        "CE-TYPE": "t",
        "Ce-MyExt": "%e2%82%ac",
    }
    assert request("POST", f"{router.url}/events", b"", headers).status == 202
    assert arrived(tmp_path / "data/arrived.jsonl", 1)["1"] == {**ONE, "myext": "€"}


def test_events_of_64_kib_are_taken_and_sent_on(
    router: RouterProcess, receiver: Receiver, tmp_path: Path
) -> None:
    """CloudEvents 1.0, section "Size Limits": every bit on the wire counts, so most of it may be header."""
    head = {f"ce-{name}": value for name, value in ONE.items()} | {"ce-id": "head"}
    head |= {f"ce-x{number}": "y" * 6000 for number in range(10)}
    size = sum(len(name) + len(value) + 4 for name, value in head.items())
    assert request("POST", f"{router.url}/events", b"1" * (65_200 - size), head).status == 202
    body = json.dumps(ONE | {"id": "body", "data": "x" * 65_000}).encode()
    assert request("POST", f"{router.url}/events", body, STRUCTURED).status == 202
    events = arrived(tmp_path / "data/arrived.jsonl", 2)
    assert len(events["head"]["x9"]) == 6000
    assert events["body"]["data"] == "x" * 65_000
    sent = receiver.wait_for(4)
    assert min(len(r.body) for r in sent if r.target == "/structured") > 60_000
    assert sum(r.headers.get("ce-x9") == "y" * 6000 for r in sent) == 1


def test_a_batch_that_came_is_not_sent_on_as_one_unless_somebody_wants_it(
    router: RouterProcess, receiver: Receiver
) -> None:
    """HTTP binding, section 3: the batched mode must not be used unless solicited."""
    batch = json.dumps([ONE | {"id": str(number)} for number in range(5)]).encode()
    assert post(f"{router.url}/events", batch, "application/cloudevents-batch+json").status == 202
    sent = [request for request in receiver.wait_for(10) if request.target == "/structured"]
    assert {request.headers["content-type"] for request in sent} == {"application/cloudevents+json"}
    assert sorted(json.loads(request.body)["id"] for request in sent) == list("01234")


def test_nothing_is_answered_with_a_redirect(router: RouterProcess) -> None:
    """Web Hooks, section 2.2: the response must not use any of the 3xx."""
    for path in ("/events/", "//events", "/Events", "/guarded/"):
        assert request("POST", router.url + path, BODY, STRUCTURED).status == 404
