"""What HTTP/1.1 allows a sender, byte for byte: it arrives whole, or is refused and leaves nothing behind."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.process import RouterProcess
from tests.web.running import BINARY, RULES, Running, binary, head

DATA = b'{"n": 1}'

UPGRADES: dict[str, dict[str, str]] = {
    "curl --http2": {
        "connection": "Upgrade, HTTP2-Settings",
        "upgrade": "h2c",
        "http2-settings": "AAMAAABkAAQAoAAAAAIAAAAA",
    },
    "websocket": {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"},
    "several, and the last on this connection": {"connection": "close, upgrade", "upgrade": "a/1, b"},
}

CHUNKED = {"content-type": "application/json", "transfer-encoding": "chunked"}


def test_a_request_that_would_rather_speak_another_protocol_is_an_ordinary_one(running: Running) -> None:
    for wish in UPGRADES.values():
        assert running.ask(binary(DATA, wish)).status == 202
    assert running.data() == [DATA] * len(UPGRADES)


@pytest.mark.parametrize("wish", UPGRADES.values(), ids=UPGRADES)
def test_and_so_it_is_wherever_its_packets_end(running: Running, wish: Mapping[str, str]) -> None:
    request = binary(DATA, wish)
    body = len(request) - len(DATA)
    ends = [1, 20, request.index(b"pgrade"), body - 1, body, body + 1]
    for end in ends:
        assert running.ask(request[:end], request[end:]).status == 202
    assert running.ask(*(bytes([byte]) for byte in request)).status == 202
    assert running.data() == [DATA] * (len(ends) + 1)


def test_chunks_with_such_a_wish(running: Running) -> None:
    request = head(headers=BINARY | CHUNKED | UPGRADES["curl --http2"])
    assert running.ask(request + b'4\r\n{"n"\r\n4\r\n: 1}\r\n0\r\n\r\n').status == 202
    assert running.ask(request, b'4\r\n{"n"\r\n', b"4\r\n: 1}\r\n0\r\n\r\n").status == 202
    assert running.data() == [DATA, DATA]


def test_such_requests_in_a_row_each_keep_their_own_body(running: Running) -> None:
    wish = UPGRADES["curl --http2"]
    requests = [binary(b"%d" % number, wish if number % 2 else {}) for number in range(40)]
    with running.connect() as wire:
        wire.send(b"".join(requests))
        assert [wire.reply().status for _ in requests] == [202] * 40
    assert running.data() == [b"%d" % number for number in range(40)]


def test_what_follows_such_a_request_is_looked_at_like_any_other(running: Running) -> None:
    many = binary(headers={f"x-{number}": "1" for number in range(300)})
    for last, status in ((many, 431), (head("CONNECT", "example.com:443"), 501), (b"rubbish\r\n\r\n", 400)):
        with running.connect() as wire:
            wire.send(binary(DATA, UPGRADES["websocket"]) + last)
            assert [wire.reply().status for _ in range(2)] == [202, status]
            assert wire.is_over()


def test_a_whole_head_without_a_body_is_an_event_without_data(running: Running) -> None:
    assert running.ask(head(headers=BINARY | UPGRADES["websocket"])).status == 202
    assert running.data() == [None]


def test_a_real_router_keeps_what_curl_and_java_send(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    with RouterProcess([tmp_path / "router.yml"], tmp_path / "data") as router:
        connection = http.client.HTTPConnection(router.url.removeprefix("http://"), timeout=10)
        headers = BINARY | {"content-type": "application/json"} | UPGRADES["curl --http2"]
        connection.request("POST", "/events", DATA, headers)
        assert connection.getresponse().status == 202
        connection.close()
        (line,) = router.wait_for_output(1)
        assert json.loads(line)["id"] == "1"
        assert router.terminate() == 0


def test_pipelined_requests_are_answered_in_their_order(running: Running) -> None:
    with running.connect() as wire:
        wire.send(binary(b"1") + head("GET", "/nowhere") + binary(b"2") + b"\r\n" + binary(b"3")[:-1], b"3")
        assert [wire.reply().status for _ in range(4)] == [202, 404, 202, 202]
    assert running.data() == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "rest",
    [b"rubbish\r\n\r\n", head(headers=CHUNKED) + b"zz\r\n", head(headers=CHUNKED | {"content-length": "1"})],
    ids=["no request", "no chunk", "two lengths"],
)
def test_what_came_before_rubbish_is_answered_as_what_it_was(running: Running, rest: bytes) -> None:
    with running.connect() as wire:
        wire.send(binary(b"1") + binary(b"2") + rest)
        assert [wire.reply().status for _ in range(3)] == [202, 202, 400]
        assert wire.is_over()
    assert running.data() == [b"1", b"2"]


def test_who_asks_first_is_told_to_go_on(running: Running) -> None:
    request = binary(DATA, {"expect": "100-continue"})
    with running.connect() as wire:
        wire.send(request.removesuffix(DATA))
        assert wire.reply().status == 100
        wire.send(DATA)
        assert wire.reply().status == 202
    assert running.data() == [DATA]


def test_who_asks_first_is_told_not_to_where_it_is_too_much(running: Running) -> None:
    with running.connect() as wire:
        wire.send(head(headers=BINARY | {"content-length": "1000001", "expect": "100-continue"}))
        assert wire.reply().status == 413


def test_chunks_are_one_body_and_trailers_are_none_of_the_header(running: Running) -> None:
    request = head(headers=BINARY | CHUNKED)
    chunks = b'4;name=value\r\n{"n"\r\n4\r\n: 1}\r\n0\r\nce-type: trailing\r\nce-other: 1\r\n\r\n'
    assert running.ask(request + chunks).status == 202
    assert running.ask(request, *(bytes([byte]) for byte in chunks)).status == 202
    for record in running.stored():
        assert (record.event.type, record.event.data) == ("test.event", DATA)
        assert not record.event.extensions


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip"])
def test_a_coding_that_nobody_decodes_is_refused(running: Running, coding: str) -> None:
    reply = running.ask(head(headers=BINARY | {"transfer-encoding": coding}) + b"4\r\n1234\r\n0\r\n\r\n")
    assert reply.status in {400, 501}
    assert running.stored() == []


def test_a_request_with_two_lengths_is_refused(running: Running) -> None:
    for lengths in (CHUNKED | {"content-length": "8"}, {"content-length": "8, 8"}, {"content-length": "-1"}):
        with running.connect() as wire:
            wire.send(head(headers=BINARY | lengths) + DATA)
            assert wire.reply().status == 400
            assert wire.is_over()
    assert running.stored() == []


def test_http_1_0_is_spoken_and_its_connection_closed(running: Running) -> None:
    with running.connect() as wire:
        wire.send(binary(DATA, version="1.0"))
        assert wire.reply().status == 202
        assert wire.is_over()
    assert running.ask(binary(DATA, UPGRADES["websocket"], version="1.0")).status == 202
    assert running.data() == [DATA, DATA]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "GET", "PUT", "DELETE"])
def test_a_door_takes_posts_alone(running: Running, method: str) -> None:
    with running.connect() as wire:
        wire.send(head(method) + head("HEAD", "/healthz"))
        refused = wire.reply(to_head=method == "HEAD")
        assert (refused.status, refused.headers["allow"]) == (405, "POST")
        assert "access-control-allow-origin" not in refused.headers
        assert wire.reply(to_head=True).status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/%65vents", 202),
        ("http://elsewhere.example/events", 202),
        ("/events%2F", 404),
        ("/%2e%2e/events", 404),
        ("/events%00", 404),
        ("/%FFevents", 404),
        ("//events", 404),
    ],
)
def test_a_path_means_what_it_says_once_decoded(running: Running, target: str, status: int) -> None:
    fields = BINARY | {"content-length": str(len(DATA)), "content-type": "application/json"}
    assert running.ask(head(target=target, headers=fields) + DATA).status == status
    assert len(running.stored()) == (status == 202)


NO_REQUESTS: Sequence[bytes] = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    head(target="http://localhost"),
    head(target="/\xff"),
    head(headers={"na me": "value"}),
    head(headers={"name": "folded\r\n value"}),
]


@pytest.mark.parametrize("sent", NO_REQUESTS)
def test_what_is_no_request_is_told_so_and_the_connection_closed(running: Running, sent: bytes) -> None:
    with running.connect() as wire:
        wire.send(sent)
        reply = wire.reply()
        assert reply.status == 400
        assert "request" in reply.error
        assert reply.headers["connection"] == "close"
        assert wire.is_over()


def test_the_router_is_no_proxy(running: Running) -> None:
    reply = running.ask(head("CONNECT", "example.com:443"))
    assert (reply.status, reply.error) == (501, "this router is no proxy")


@pytest.mark.parametrize("fields", [{"content-length": "100"}, CHUNKED])
def test_a_body_that_is_cut_off_leaves_nothing_behind(running: Running, fields: dict[str, str]) -> None:
    with running.connect() as wire:
        wire.send(head(headers=BINARY | fields) + b"8\r\n{\r\n")
    running.stop()
    assert running.stored() == []


def test_a_sender_that_leaves_does_not_disturb_the_others(running: Running) -> None:
    with running.connect() as other:
        other.send(binary(b"12")[:-1])
        for _ in range(20):
            with running.connect() as wire:
                wire.send(binary(b"no")[:-1])
        other.send(b"2")
        assert other.reply().status == 202
    running.stop()
    assert running.data() == [b"12"]


@pytest.mark.parametrize("coding", ["identity", "", "gzip", "x-gzip", "GZip"])
def test_a_body_may_be_packed_by_gzip(running: Running, coding: str) -> None:
    body = gzip.compress(DATA) if "gzip" in coding.lower() else DATA
    assert running.ask(binary(body, {"content-encoding": coding})).status == 202
    assert running.data() == [DATA]


def test_what_is_packed_otherwise_is_refused_with_what_to_do(running: Running) -> None:
    reply = running.ask(binary(DATA, {"content-encoding": "br"}))
    assert (reply.status, reply.error) == (
        415,
        "The request body has a Content-Encoding other than gzip; send it without.",
    )
    assert running.data() == []


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (gzip.compress(bytes(30_000_000)), 413, "the request body is larger than 1000000 bytes, unpacked"),
        (gzip.compress(DATA)[:-1], 400, "The request body is said to be gzip, and is not."),
        (gzip.compress(DATA) + b"x", 400, "The request body is said to be gzip, and is not."),
        (DATA, 400, "The request body is said to be gzip, and is not."),
    ],
    ids=["bomb", "torn", "more", "none"],
)
def test_what_cannot_be_unpacked_is_refused(running: Running, body: bytes, status: int, told: str) -> None:
    reply = running.ask(binary(body, {"content-encoding": "gzip"}))
    assert (reply.status, reply.error) == (status, told)
    assert running.data() == []
