from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import anyio
import pytest
from anyio import to_thread
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types
from starlette.applications import Starlette
from starlette.routing import Mount

from router.cli.deployment import load
from router.operations.address import BASE
from router.operations.answers import Status
from router.operations.desk import Desk
from router.rules.model import Deployment
from router.store.base import Store, StoreError
from router.store.memory import MemoryStore
from router.web import api as module
from router.web.api import api
from router.web.api_access import Access
from router.web.api_endpoints import ENDPOINTS
from router.web.server import Server, listen, url_of
from tests.client import Reply, request
from tests.operations.archive import kill, routed
from tests.support import HandClock

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0

RULES = """
rules: [{name: everything, match: {type: "*"}, targets: [hook]}]
targets: {hook: {log: {}}, spare: {log: {}}}
"""


class Told(Desk):
    """A desk that fails if it is told to."""

    error: Exception | None = None

    async def status(self) -> Status:
        if self.error is not None:
            raise self.error
        return await super().status()


@dataclass
class Served:
    """The API on a real socket.

    Attributes:
        url: where the router listens; the API is below `BASE`.
    """

    url: str
    store: Store
    desk: Told
    clock: HandClock
    described: dict[str, Any] = field(default_factory=dict)

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        **query: Any,
    ) -> Reply:
        """Ask; every answer is held to the description."""
        url = self.url + BASE + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        headers = {"authorization": "Bearer t0ken"}
        reply = await to_thread.run_sync(request, method, url, body, headers)
        self._hold(method, path, reply)
        return reply

    async def get(self, path: str, **query: Any) -> Any:
        """What a question is answered with."""
        reply = await self.ask("GET", path, **query)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    async def post(self, path: str, **body: Any) -> Any:
        """What a change is answered with."""
        reply = await self.ask("POST", path, json.dumps(body).encode())
        assert reply.status == 200, reply
        return json.loads(reply.body)

    async def refusal(self, method: str, path: str, body: bytes = b"", **query: Any) -> tuple[int, str]:
        """The status and the words of a refusal."""
        reply = await self.ask(method, path, body, **query)
        assert reply.headers["content-type"] == "application/json"
        return reply.status, json.loads(reply.body)["error"]

    def _hold(self, method: str, path: str, reply: Reply) -> None:
        for template, operations in self.described.get("paths", {}).items():
            names = template.removeprefix(BASE).split("/")
            parts = path.split("/")
            fits = len(names) == len(parts) and all(
                name.startswith("{") or name == part for name, part in zip(names, parts, strict=True)
            )
            if fits and method.lower() in operations:
                answers = operations[method.lower()]["responses"]
                wanted = answers["200" if reply.status == 200 else "default"]["content"]["application/json"]
                schema = wanted["schema"] | {"components": self.described["components"]}
                Draft202012Validator(schema).validate(json.loads(reply.body))
                return


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    (tmp_path / "router.yml").write_text(RULES)
    return load([tmp_path]).deployment


@pytest.fixture
async def served(deployment: Deployment) -> AsyncIterator[Served]:
    clock = HandClock()
    store = MemoryStore(clock)
    async with Told(store, clock, lambda: deployment, None) as desk, anyio.create_task_group() as group:
        app = Starlette(routes=[Mount(BASE, api(desk, Access("t0ken", loopback=True), clock))])
        with listen("127.0.0.1", 0) as listening:
            server = Server(app)
            group.start_soon(server.serve, [listening])
            there = Served(url_of(listening), store, desk, clock)
            there.described = await there.get("/openapi.json")
            yield there
            server.should_exit = True


async def test_events(served: Served) -> None:
    sequences = await served.store.append([routed(n, "hook", received=NOW + n) for n in range(5)])
    first = await served.get("/events", most=3)
    assert [event["id"] for event in first["events"]] == ["4", "3", "2"]
    rest = await served.get("/events", most=3, after=first["next"])
    assert ([event["id"] for event in rest["events"]], rest["next"]) == (["1", "0"], None)
    (found,) = (await served.get("/events", since="2027-01-15T08:00:03Z", until="2027-01-15T09:00:04+01:00"))[
        "events"
    ]
    assert (found["sequence"], found["received"]) == (sequences[3], "2027-01-15T08:00:03Z")
    shown = await served.get(f"/events/{sequences[3]}")
    assert shown["event"]["data"] == {"n": 1.0, "id": 3}
    assert [delivery["state"] for delivery in shown["deliveries"]] == ["pending"]


async def test_a_payloads_numbers_keep_their_spelling(served: Served) -> None:
    (sequence,) = await served.store.append([routed(1, "hook")])
    reply = await served.ask("GET", f"/events/{sequence}")
    assert b'"data":{"n": 1.0, "id": 1}' in reply.body


async def test_deliveries(served: Served) -> None:
    await served.store.append([routed(n, "hook", type_=f"t.{n}") for n in range(4)])
    dead = await kill(served.store, "hook", 2)
    first = await served.get("/deliveries", state=["dead", "pending"], target="hook", most=3)
    rest = await served.get("/deliveries", state=["dead", "pending"], target="hook", after=first["next"])
    assert [one["event_type"] for one in first["deliveries"] + rest["deliveries"]] == [
        "t.0",
        "t.1",
        "t.2",
        "t.3",
    ]
    shown = await served.get(f"/deliveries/{dead[0]}")
    assert (shown["state"], shown["history"][0]["answer"]) == ("dead", "no, thank you")


async def test_redriving_and_dropping(served: Served) -> None:
    await served.store.append([routed(n, "hook", type_=f"t.{n}") for n in range(4)])
    dead = await kill(served.store, "hook", 3)
    assert await served.post("/deliveries/redrive", dry=True) == {
        "count": 3,
        "targets": {"hook": 3},
        "next": None,
    }
    assert (await served.post("/deliveries/redrive", ids=dead[:1]))["count"] == 1
    assert (await served.post("/deliveries/drop", state=["dead"], type="t.1"))["count"] == 1
    assert (await served.post("/deliveries/redrive", state=["dead"], to="spare"))["targets"] == {"hook": 1}
    states = [(await served.get(f"/deliveries/{id_}"))["state"] for id_ in dead]
    assert states == ["retrying", "cancelled", "cancelled"]
    assert {one["target"] for one in (await served.get("/deliveries"))["deliveries"]} == {"hook", "spare"}


async def test_replays(served: Served) -> None:
    await served.store.append([routed(n, received=NOW) for n in range(40)])
    served.clock.advance(1)
    begun = await served.post("/replays", since="2027-01-15T08:00:00Z", rate=20, name="again")
    assert (begun["state"], begun["until"]) == ("running", "2027-01-15T08:00:01Z")
    assert [one["name"] for one in (await served.get("/replays"))["replays"]] == ["again"]
    with anyio.fail_after(10):
        while (await served.get("/replays/again"))["replayed"] < 10:
            served.clock.advance(0.1)
    stopped = json.loads((await served.ask("DELETE", "/replays/again")).body)
    assert stopped["state"] == "stopped"
    assert 10 <= stopped["replayed"] < 40


async def test_status(served: Served) -> None:
    await served.store.append([routed(0, "hook", "renamed", received=NOW)])
    told = await served.get("/status")
    assert (told["running"], told["rules"], told["since"]) == (False, 1, "2027-01-15T08:00:00Z")
    assert [(one["name"], one["gone"], one["pending"]) for one in told["targets"]] == [
        ("hook", False, 1),
        ("spare", False, 0),
        ("renamed", True, 1),
    ]


# -- the description ----------------------------------------------------------------------------------------


async def test_every_endpoint_is_described_and_nothing_else(served: Served) -> None:
    described = {
        (method.upper(), path)
        for path, operations in served.described["paths"].items()
        for method in operations
    }
    assert described == {(one.method, BASE + one.path) for one in ENDPOINTS}
    assert served.described["openapi"] == "3.1.0"


async def test_what_an_endpoint_takes_is_described(served: Served) -> None:
    listed = served.described["paths"][f"{BASE}/deliveries"]["get"]
    assert {parameter["name"] for parameter in listed["parameters"]} == {
        "state",
        "target",
        "rule",
        "type",
        "since",
        "until",
        "after",
        "most",
    }
    shown = served.described["paths"][f"{BASE}/deliveries/{{id}}"]["get"]
    assert shown["parameters"] == [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
    body = served.described["paths"][f"{BASE}/replays"]["post"]["requestBody"]["content"]["application/json"]
    schema = served.described["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
    assert schema["required"] == ["since"]
    assert "Attributes" not in json.dumps(served.described)


async def test_every_reference_leads_somewhere(served: Served) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            inner = [one for held in value.values() for one in references(held)]
            return inner + ([value["$ref"]] if "$ref" in value else [])
        return [one for held in value for one in references(held)] if isinstance(value, list) else []

    found = references(served.described)
    assert found
    for reference in found:
        place: Any = served.described
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


# -- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("/events", {"most": 0}, "the query cannot be understood: Expected `int` >= 1 - at `$.most`"),
        ("/events", {"most": 1001}, "the query cannot be understood: Expected `int` <= 1000 - at `$.most`"),
        ("/events", {"since": "yesterday"}, "the query cannot be understood: Invalid RFC3339 encoded"),
        ("/events", {"since": "2027-01-15T08:00:00"}, "Expected `datetime` with a timezone component"),
        ("/events", {"sicne": "1"}, "Object contains unknown field `sicne`"),
        ("/events", {"id": ["1", "2"]}, "the query holds 'id' twice"),
        ("/deliveries", {"state": ["dead", "daed"]}, "Invalid enum value 'daed' - at `$.state[1]`"),
        ("/deliveries", {"state": "delivered"}, "deliveries that are delivered are not listed"),
        ("/deliveries", {"after": "nonsense"}, "'nonsense' is no delivery id"),
        ("/events/x", {}, "'x' is no sequence"),
        ("/events/" + "9" * 30, {}, "is no sequence"),
        ("/events/%C2%B2", {}, "is no sequence"),
    ],
)
async def test_questions_that_cannot_be_understood(
    path: str, query: dict[str, Any], said: str, served: Served
) -> None:
    status, error = await served.refusal("GET", path, **query)
    assert status == 400
    assert said in error


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/deliveries/redrive", b"", "the body cannot be understood"),
        ("/deliveries/redrive", b"[]", "Expected `object`, got `array`"),
        ("/deliveries/redrive", b'{"dry": "yes"}', "Expected `bool`, got `str` - at `$.dry`"),
        ("/deliveries/drop", b'{"to": "hook"}', "unknown field `to`"),
        ("/deliveries/drop", b'{"ids": ["x"]}', "'x' is no delivery id"),
        ("/deliveries/drop", json.dumps({"ids": ["1-a"] * 1001}).encode(), "length <= 1000"),
        ("/replays", b"{}", "missing required field `since`"),
        ("/replays", b'{"since": "2027-01-15T08:00:00Z", "rate": 0}', "Expected `float` > 0"),
    ],
)
async def test_changes_that_cannot_be_understood(path: str, body: bytes, said: str, served: Served) -> None:
    status, error = await served.refusal("POST", path, body)
    assert status == 400
    assert said in error


async def test_what_is_not_there(served: Served) -> None:
    assert await served.refusal("GET", "/events/17") == (
        404,
        "there is no event 17, or it is no longer in the archive",
    )
    assert (await served.refusal("GET", "/deliveries/17-hook"))[0] == 404
    assert (await served.refusal("GET", "/replays/x"))[0] == 404
    assert (await served.refusal("DELETE", "/replays/x"))[0] == 404
    status, error = await served.refusal("GET", "/nothing")
    assert (status, error) == (404, f"there is no GET {BASE}/nothing; see {BASE}/openapi.json")
    status, error = await served.refusal("PUT", "/events")
    assert (status, error) == (405, f"{BASE}/events does not take PUT")


async def test_a_body_has_a_bound(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_BODY", 100)
    status, error = await served.refusal("POST", "/deliveries/drop", b'{"target": "%s"}' % (b"x" * 200))
    assert (status, "larger than 100 bytes" in error) == (413, True)


async def test_a_store_that_cannot_answer_now(served: Served) -> None:
    served.desk.error = StoreError("a segment cannot be read")
    reply = await served.ask("GET", "/status")
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert json.loads(reply.body) == {"error": "a segment cannot be read"}


async def test_a_bug_is_told_without_its_secrets(served: Served) -> None:
    served.desk.error = RuntimeError("hunter2")
    status, error = await served.refusal("GET", "/status")
    assert (status, error) == (500, "the router failed: RuntimeError; see its log")
    served.desk.error = None
    assert (await served.get("/status"))["rules"] == 1


async def test_no_answer_is_kept_by_anybody_on_the_way(served: Served) -> None:
    for reply in (await served.ask("GET", "/status"), await served.ask("GET", "/events/17")):
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"
