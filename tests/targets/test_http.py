"""The `http` kind: its settings, its requests, its outcomes."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router import __version__
from router.events import Event
from router.targets.base import (
    Body,
    Cause,
    Delivered,
    Message,
    Outcome,
    Rejected,
    RetryLater,
    Surroundings,
)
from router.targets.http import HttpKind
from router.targets.http_settings import HttpSettings
from tests.receiver import DROP, Answer, Receiver, Request
from tests.targets.clock import StandingClock

NOW = 1_800_000_000.0

EVENT = Event(
    id="7",
    source="/cameras/1",
    type="imm:Task:VideoModeration",
    datacontenttype="application/json",
    extensions={"verdict": "block"},
    data=b'{"a": 1.0}',
)
MESSAGE = Message("1795000000000001-chat", 1, EVENT, None, ("block",), 1)


async def deliver(receiver: Receiver, message: Message = MESSAGE, **settings: Any) -> Outcome:
    kind = HttpKind(StandingClock(NOW))
    parsed = HttpSettings.model_validate({"url": f"{receiver.url}/hook"} | settings)
    async with kind.open(parsed, Surroundings("chat", Path("data"), loopback=True)) as target:
        (outcome,) = await target.deliver([message])
    return outcome


async def sent(receiver: Receiver, message: Message = MESSAGE, **settings: Any) -> Request:
    assert await deliver(receiver, message, **settings) == Delivered(200)
    return receiver.requests[0]


def with_body(body: Body) -> Message:
    return Message(MESSAGE.id, 1, EVENT, body, MESSAGE.rules, 1)


def faults(settings: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        HttpSettings.model_validate({"url": "http://127.0.0.1/"} | settings)
    return "\n".join(error["msg"] for error in caught.value.errors())


class TestSettings:
    def test_an_address_is_enough(self) -> None:
        settings = HttpSettings.model_validate({"url": "https://ts.example.com/hooks/imm?team=1"})
        assert str(settings.url) == "https://ts.example.com/hooks/imm?team=1"
        assert (settings.method, settings.format, settings.timeout) == ("POST", "structured", 10.0)
        assert settings.headers == {}

    @pytest.mark.parametrize(
        ("url", "what"),
        [
            ("ftp://example.com/", "scheme should be 'http' or 'https'"),
            ("file:///etc/passwd", "scheme should be 'http' or 'https'"),
            ("example.com/hook", "valid URL"),
            ("/hook", "valid URL"),
            ("", "valid URL"),
            ("http://", "valid URL"),
            ("http://example.com:99999/", "valid URL"),
            ("https://user@example.com/", "no user name or password"),
            ("https://user:pass@example.com/", "no user name or password"),
            ("https://:pass@example.com/", "no user name or password"),
            ("https://example.com/#top", "no fragment"),
        ],
    )
    def test_addresses_that_are_refused(self, url: str, what: str) -> None:
        assert what in faults({"url": url})

    @pytest.mark.parametrize("name", ["Content-Type", "content-length", "HOST", "Transfer-Encoding", "te"])
    def test_the_routers_own_headers_stay_its_own(self, name: str) -> None:
        assert f"'{name}' is set by the router" in faults({"headers": {name: "x"}})

    @pytest.mark.parametrize("name", ["Idempotency-Key", "webhook-id", "webhook-signature", "ce-id", "CE-X"])
    def test_so_do_those_that_identify_what_is_sent(self, name: str) -> None:
        assert f"'{name}' is set by the router" in faults({"headers": {name: "x"}})

    @pytest.mark.parametrize("name", ["", "x y", "x:y", "x\r\ny", "bücher", "x\x00", "x\n"])
    def test_header_names_that_are_none(self, name: str) -> None:
        assert "is no header name" in faults({"headers": {name: "x"}})

    @pytest.mark.parametrize(
        "value", ["a\r\nx-injected: 1", "a\n", "\ra", "a\x00b", "\x7f", " a", "a ", "\ta", "a\t", " "]
    )
    def test_header_values_that_would_break_the_request(self, value: str) -> None:
        assert "the value of 'x-a' has a control character" in faults({"headers": {"x-a": value}})

    def test_a_header_twice(self) -> None:
        assert "'X-TEAM' is there twice" in faults({"headers": {"x-team": "a", "X-TEAM": "b"}})

    @pytest.mark.parametrize(
        ("settings", "what"),
        [
            ({"method": "HEAD"}, "'POST', 'PUT', 'PATCH', 'DELETE' or 'GET'"),
            ({"method": "post"}, "'POST', 'PUT', 'PATCH', 'DELETE' or 'GET'"),
            ({"method": "GET"}, "choose the format binary"),
            ({"method": "GET", "format": "data"}, "choose the format binary"),
            ({"format": "xml"}, "'structured', 'binary' or 'data'"),
            ({"timeout": "0s"}, "greater than 0"),
            ({"timeout": "soon"}, "is no duration"),
            ({"headers": {"x-a": 1}}, "wants a text, or {file: path}"),
            ({"uri": "http://127.0.0.1/"}, "Extra inputs are not permitted"),
        ],
    )
    def test_other_settings_that_are_refused(self, settings: dict[str, Any], what: str) -> None:
        assert what in faults(settings)

    @given(st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=2))
    def test_no_headers_that_pass_can_end_a_line(self, headers: dict[str, str]) -> None:
        try:
            settings = HttpSettings.model_validate({"url": "http://127.0.0.1/", "headers": headers})
        except ValidationError:
            return
        values = [value.get_secret_value() for value in settings.headers.values()]
        for text in (*settings.headers, *values):
            assert not set(text) & set(map(chr, (*range(9), *range(10, 32), 127)))


@pytest.mark.anyio
class TestRequests:
    async def test_structured_is_the_default(self, receiver: Receiver) -> None:
        request = await sent(receiver)
        assert (request.method, request.target) == ("POST", "/hook")
        assert request.headers["content-type"] == "application/cloudevents+json"
        assert request.body == (
            b'{"specversion":"1.0","id":"7","source":"/cameras/1","type":"imm:Task:VideoModeration",'
            b'"datacontenttype":"application/json","verdict":"block","data":{"a": 1.0}}'
        )

    async def test_binary(self, receiver: Receiver) -> None:
        request = await sent(receiver, format="binary")
        ce = {name: value for name, value in request.headers.items() if name.startswith("ce-")}
        assert ce == {
            "ce-specversion": "1.0",
            "ce-id": "7",
            "ce-source": "/cameras/1",
            "ce-type": "imm:Task:VideoModeration",
            "ce-verdict": "block",
        }
        assert (request.headers["content-type"], request.body) == ("application/json", b'{"a": 1.0}')

    async def test_data_is_the_payload_alone(self, receiver: Receiver) -> None:
        request = await sent(receiver, format="data")
        assert (request.headers["content-type"], request.body) == ("application/json", b'{"a": 1.0}')
        assert not [name for name in request.headers if name.startswith("ce-")]

    async def test_data_without_a_content_type_is_json(self, receiver: Receiver) -> None:
        event = Event(id="7", source="/s", type="t", data=b"[1]")
        request = await sent(receiver, Message("7-chat", 7, event, None, (), 1), format="data")
        assert (request.headers["content-type"], request.body) == ("application/json", b"[1]")

    async def test_data_of_an_event_without_any(self, receiver: Receiver) -> None:
        event = Event(id="7", source="/s", type="t")
        request = await sent(receiver, Message("7-chat", 7, event, None, (), 1), format="data")
        assert "content-type" not in request.headers
        assert (request.headers["content-length"], request.body) == ("0", b"")

    @pytest.mark.parametrize("way", ["structured", "binary", "data"])
    async def test_a_transformed_body_goes_before_every_format(self, receiver: Receiver, way: str) -> None:
        request = await sent(receiver, with_body(Body(b"Blocked", "text/plain; charset=utf-8")), format=way)
        assert (request.headers["content-type"], request.body) == ("text/plain; charset=utf-8", b"Blocked")
        assert not [name for name in request.headers if name.startswith("ce-")]

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    async def test_the_method(self, receiver: Receiver, method: str) -> None:
        request = await sent(receiver, method=method)
        assert request.method == method
        assert request.headers["content-type"] == "application/cloudevents+json"
        assert request.body

    async def test_get_says_it_in_headers_alone(self, receiver: Receiver) -> None:
        request = await sent(receiver, method="GET", format="binary")
        assert (request.method, request.body) == ("GET", b"")
        assert (request.headers["ce-id"], request.headers["ce-verdict"]) == ("7", "block")
        assert "content-type" not in request.headers

    async def test_get_has_no_place_for_a_transformed_body(self, receiver: Receiver) -> None:
        message = with_body(Body(b"x", "text/plain"))
        outcome = await deliver(receiver, message, method="GET", format="binary")
        assert isinstance(outcome, Rejected)
        assert "GET sends no content, and a transform made some" in outcome.reason
        assert receiver.requests == []

    async def test_headers_of_the_user(self, receiver: Receiver) -> None:
        headers = {"X-Team": "moderation", "x-empty": "", "x-name": "bücher", "Authorization": "Bearer abc"}
        request = await sent(receiver, headers=headers)
        expected = {name.lower(): value for name, value in headers.items()}
        assert request.headers.items() >= expected.items()

    @pytest.mark.parametrize("way", ["structured", "binary", "data"])
    async def test_every_request_carries_the_deliverys_id(self, receiver: Receiver, way: str) -> None:
        request = await sent(receiver, format=way)
        assert request.headers["idempotency-key"] == request.headers["webhook-id"] == MESSAGE.id
        assert request.headers["user-agent"] == f"rule-router/{__version__}"

    async def test_what_cannot_be_said_in_http_is_rejected(self, receiver: Receiver) -> None:
        outcome = await deliver(receiver, with_body(Body(b"x", "text/plain\r\nx-injected: 1")))
        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("this cannot be said in HTTP: ")
        assert outcome.reason.isprintable()
        assert receiver.requests == []


@pytest.mark.anyio
class TestOutcomes:
    async def test_delivered(self, receiver: Receiver) -> None:
        receiver.script(Answer(status=202, body=b"queued"))
        assert await deliver(receiver) == Delivered(202, b"queued")

    async def test_rejected(self, receiver: Receiver) -> None:
        receiver.script(Answer(status=400, body=b"what?"))
        assert await deliver(receiver) == Rejected("answered 400 Bad Request", 400, b"what?")

    async def test_told_to_wait_for_seconds(self, receiver: Receiver) -> None:
        receiver.script(Answer(status=429, headers={"Retry-After": "30"}, body=b"slowly"))
        reason = "answered 429 Too Many Requests"
        assert await deliver(receiver) == RetryLater(reason, 429, b"slowly", 30.0, Cause.THROTTLED)

    async def test_told_what_is_final(self, receiver: Receiver) -> None:
        receiver.script(Answer(status=404), Answer(status=400))
        kind = HttpKind(StandingClock(NOW))
        settings = HttpSettings.model_validate({"url": receiver.url})
        surroundings = Surroundings("chat", Path("data"), loopback=True, reject=frozenset({404}))
        async with kind.open(settings, surroundings) as target:
            outcomes = [await target.deliver([MESSAGE]) for _ in range(2)]
        assert [[type(outcome) for outcome in found] for found in outcomes] == [[Rejected], [RetryLater]]

    async def test_told_to_wait_until_a_date(self, receiver: Receiver) -> None:
        date = format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True)
        receiver.script(Answer(status=503, headers={"Retry-After": date}))
        assert await deliver(receiver) == RetryLater("answered 503 Service Unavailable", 503, b"", 90.0)

    async def test_redirected(self, receiver: Receiver) -> None:
        receiver.script(Answer(status=307, headers={"Location": "/new"}))
        outcome = await deliver(receiver)
        assert isinstance(outcome, RetryLater)
        assert "pointing to /new; redirects are not followed" in outcome.reason
        assert len(receiver.requests) == 1

    async def test_no_answer(self, receiver: Receiver) -> None:
        receiver.script(DROP)
        reason = f"connection closed by 127.0.0.1:{receiver.port} before it answered"
        assert await deliver(receiver) == RetryLater(reason)

    async def test_no_answer_in_time(self, receiver: Receiver) -> None:
        receiver.script(Answer(gate=receiver.gate()))
        outcome = await deliver(receiver, timeout="200ms")
        assert outcome == RetryLater(f"no answer from 127.0.0.1:{receiver.port} within 0.2 s")

    async def test_no_listener(self, receiver: Receiver) -> None:
        receiver.stop()
        assert await deliver(receiver) == RetryLater(f"connection refused by 127.0.0.1:{receiver.port}")
