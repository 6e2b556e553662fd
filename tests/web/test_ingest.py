"""The doors of a running application: real sources, a real service, a store in memory, plain ASGI calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from router.cli.deployment import load
from router.main import SOURCES
from router.store.base import Record, Store, StoreError
from router.store.memory import MemoryStore
from router.web.app import build
from router.web.ingest import Ingest
from tests.support import HandClock, service_of

pytestmark = pytest.mark.anyio

EVENT = {"specversion": "1.0", "id": "1", "source": "/tests", "type": "test.event", "data": {"n": 1}}

RULES = """
rules: [{name: all, match: {type: "*"}, targets: [console]}]
targets: {console: {log: {}}}
"""


class Answer:
    """What an ASGI application answered."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.status: int = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    def json(self) -> Any:
        return json.loads(self.body)


class App:
    """A router's HTTP side, and the store behind it."""

    def __init__(self, folder: Path, store: Store | None = None, limit: int = 10_000) -> None:
        (folder / "router.yml").write_text(RULES)
        clock = HandClock()
        self.store = store or MemoryStore(clock)
        service = service_of(self.store, load([folder]).deployment, clock)
        doors = {}
        for kind, source in SOURCES.items():
            made = source()
            for path in made.paths:
                doors[path] = Ingest(kind, made, service, clock, limit)
        self._app = build(doors)

    async def request(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        path, _, query = target.partition("?")
        chunks = [body] if isinstance(body, bytes) else list(body)
        sent: list[Message] = []

        async def receive() -> Message:
            if not chunks:
                return {"type": "http.disconnect"}
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 8080),
            "client": ("127.0.0.1", 50_000),
            "root_path": "",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        }
        await self._app(scope, receive, send)
        assert sent, "no answer"
        return Answer(sent)

    async def post(
        self, target: str, content: Any, content_type: str = "application/cloudevents+json"
    ) -> Answer:
        return await self.request(
            "POST", target, json.dumps(content).encode(), {"content-type": content_type}
        )

    async def stored(self) -> list[Record]:
        return [stored.record async for stored in self.store.scan()]


@pytest.fixture
async def app(tmp_path: Path) -> App:
    return App(tmp_path)


async def test_an_accepted_event_is_stored_with_its_routes_and_its_configuration(app: App) -> None:
    assert (await app.post("/events", EVENT)).status == 202
    (record,) = await app.stored()
    assert record.event.id == "1"
    assert record.event.data == b'{"n": 1}'
    assert record.source == "cloudevents"
    assert [(route.target, route.rules) for route in record.routes] == [("console", ("all",))]
    assert record.received == 1_800_000_000.0
    assert len(record.version) == 16


async def test_a_body_in_pieces_is_one_body(app: App) -> None:
    whole = json.dumps(EVENT).encode()
    pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    answer = await app.request("POST", "/events", pieces, {"content-type": "application/cloudevents+json"})
    assert answer.status == 202
    assert len(await app.stored()) == 1


async def test_a_batch_is_taken_whole_or_not_at_all(app: App) -> None:
    good = [EVENT | {"id": str(number)} for number in range(3)]
    batch = "application/cloudevents-batch+json"
    refused = await app.post("/events", [*good, {"id": "no source"}], batch)
    assert refused.status == 400
    assert await app.stored() == []
    assert (await app.post("/events", good, batch)).status == 202
    assert [record.event.id for record in await app.stored()] == ["0", "1", "2"]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_refused_in_the_senders_dialect(app: App, announced: bool) -> None:
    headers = {"content-type": "application/json"} | ({"content-length": "20000"} if announced else {})
    answer = await app.request("POST", "/baidu", [b"x" * 10_000, b"x" * 10_000], headers)
    assert answer.status == 413
    assert b"larger than 10000 bytes" in answer.body
    assert await app.stored() == []


async def test_a_store_that_cannot_write_turns_every_sender_away_in_its_own_words(tmp_path: Path) -> None:
    class Full(MemoryStore):
        async def append(self, records: Sequence[Record]) -> Sequence[int]:
            raise StoreError("the store cannot be written: database or disk is full")

    app = App(tmp_path, Full(HandClock()))
    answers = {
        "/events": await app.post("/events", EVENT),
        "/alibaba": await app.post("/alibaba", EVENT),
        "/tencent": await app.post("/tencent", TENCENT),
        "/baidu": await app.post("/baidu", BAIDU),
    }
    assert {path: answer.status for path, answer in answers.items()} == {
        "/events": 429,
        "/alibaba": 503,
        "/tencent": 503,
        "/baidu": 429,
    }
    assert answers["/events"].headers["retry-after"] == answers["/baidu"].headers["retry-after"] == "5"


TENCENT = {
    "Response": {
        "EventName": "TaskFinish",
        "JobsDetail": [
            {
                "JobId": "j1",
                "State": "Success",
                "Tag": "ImageOCR",
                "Input": {"BucketId": "b-1", "Region": "ap-beijing", "Object": "a.png"},
            }
        ],
    }
}

BAIDU = {
    "events": [
        {
            "version": "1.0",
            "eventType": "PutObject",
            "eventTime": "2009-10-28T22:32:00Z",
            "content": {"domain": "bj.bcebos.com", "bucket": "b", "object": "o", "eTag": "e"},
            "imageOcr": {"log_id": 1, "result": "r"},
        }
    ]
}


@pytest.mark.parametrize(
    "target",
    ["/baidu", "/v1/any-bucket/?result", "/v1/any-bucket?result", "/?result", "/?result=", "/?a=b&result"],
)
async def test_baidu_is_heard_on_all_its_paths_and_gets_exactly_200(app: App, target: str) -> None:
    answer = await app.post(target, BAIDU, "application/json")
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["x-bce-request-id"]
    assert len(await app.stored()) == 1


@pytest.mark.parametrize(
    ("method", "target", "status", "said"),
    [
        ("POST", "/", 404, "a POST to / needs "),
        ("POST", "/nowhere", 404, "nothing listens on POST /nowhere"),
        ("GET", "/events", 405, "/events does not take GET"),
        ("POST", "/events/", 404, "nothing listens on POST /events/"),
        ("POST", "/v1/bucket/?other", 404, "a POST to /v1/bucket/ needs ?result"),
    ],
)
async def test_what_nobody_listens_to_is_said_and_never_redirected(
    app: App, method: str, target: str, status: int, said: str
) -> None:
    answer = await app.request(method, target, b"{}", {"content-type": "application/json"})
    assert answer.status == status
    assert answer.json()["error"].startswith(said)


async def test_plain_json_with_type_and_source_in_the_query(app: App) -> None:
    answer = await app.post("/events?type=com.example.order&source=/shop", {"total": 1}, "application/json")
    assert answer.status == 202
    (record,) = await app.stored()
    assert (record.event.type, record.event.source, record.event.data) == (
        "com.example.order",
        "/shop",
        b'{"total": 1}',
    )


@pytest.mark.parametrize(
    "announced",
    [
        {"content-length": "8"},
        {"content-length": "6"},
        {"connection": "upgrade", "upgrade": "h2c", "content-length": "7"},
    ],
)
@pytest.mark.parametrize("pieces", [[b"", b""], [b"1", b"2345"], [b"12345"]])
async def test_a_body_that_is_not_what_its_head_announced_is_refused(
    app: App, announced: Mapping[str, str], pieces: Sequence[bytes]
) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/t", "ce-type": "t"} | dict(announced)
    answer = await app.request("POST", "/events", pieces, headers)
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert "not what its head announced" in answer.json()["error"]
    assert await app.stored() == []


async def test_chunks_that_a_server_has_lost_are_missed(app: App) -> None:
    headers = {"connection": "upgrade", "upgrade": "h2c", "transfer-encoding": "chunked"}
    answer = await app.request("POST", "/baidu", b"", headers)
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert answer.headers["x-bce-request-id"]
    assert "not what its head announced" in answer.json()["error"]


async def test_a_client_that_goes_away_leaves_nothing_behind(app: App) -> None:
    with pytest.raises(AssertionError, match="no answer"):
        await app.request("POST", "/events", [])
    assert await app.stored() == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_it_says_that_it_lives(app: App, path: str) -> None:
    assert (await app.request("GET", path)).status == 200
