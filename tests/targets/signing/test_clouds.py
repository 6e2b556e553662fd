"""`sign`: what an HTTP target adds, so that a cloud knows who asks; verified on what really arrives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from router.events import Event
from router.signatures import bce, cos
from router.signatures.base import Key, SignatureError
from router.targets.base import Body, Delivered, Message, Surroundings
from router.targets.http import HttpKind
from router.targets.http_settings import HttpSettings
from tests.receiver import Answer, Receiver, Request
from tests.targets.clock import StandingClock

NOW = 1_800_000_000.0
KEY = Key("AKIDexample", "the-secret")
GIVEN = {"id": KEY.id, "secret": KEY.secret}

EVENT = Event(id="7", source="/cameras/1", type="t", datacontenttype="application/json", data=b'{"a": 1}')
MESSAGE = Message("1795000000000001-ci", 1, EVENT, None, ("ocr",), 1)
XML = Message("1795000000000002-ci", 2, EVENT, Body(b"<Request/>", "application/xml"), ("ocr",), 1)


async def sent(receiver: Receiver, message: Message, path: str, **settings: Any) -> Request:
    kind = HttpKind(StandingClock(NOW))
    parsed = HttpSettings.model_validate({"url": receiver.url + path} | settings)
    async with kind.open(parsed, Surroundings("ci", Path("data"), loopback=True)) as target:
        assert await target.deliver([message]) == [Delivered(200)]
    return receiver.requests[-1]


def faults(settings: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        HttpSettings.model_validate({"url": "http://127.0.0.1/"} | settings)
    assert KEY.secret not in str(caught.value)
    return "\n".join(error["msg"] for error in caught.value.errors())


@pytest.mark.anyio
class TestBce:
    @pytest.mark.parametrize("path", ["", "/v1/a%20b/x?acl", "/?a=b%2Fc&result"])
    async def test_what_arrives_is_signed_with_its_body(self, receiver: Receiver, path: str) -> None:
        request = await sent(receiver, MESSAGE, path, sign={"bce": GIVEN}, headers={"X-Bce-Acl": "private"})
        target, _, query = request.target.partition("?")
        covered = bce.verify([KEY], "POST", target, query, request.headers, request.body, now=NOW)
        assert covered is True
        for name in ("host", "content-type", "x-bce-date", "x-bce-acl", "x-bce-content-sha256"):
            with pytest.raises(SignatureError):
                bce.verify([KEY], "POST", target, query, request.headers | {name: "x"}, request.body, now=NOW)

    async def test_a_body_without_a_type(self, receiver: Receiver) -> None:
        bare = Message("1-ci", 1, Event(id="7", source="s", type="t"), None, ("ocr",), 1)
        request = await sent(receiver, bare, "/x", sign={"bce": GIVEN}, format="data")
        assert bce.verify([KEY], "POST", "/x", "", request.headers, b"", now=NOW) is True

    async def test_the_date_says_when_it_was_sent(self, receiver: Receiver) -> None:
        request = await sent(receiver, MESSAGE, "/", sign={"bce": GIVEN})
        assert request.headers["x-bce-date"] == "2027-01-15T08:00:00Z"


@pytest.mark.anyio
class TestCos:
    async def test_a_job_is_submitted_as_the_document_has_it(self, receiver: Receiver) -> None:
        request = await sent(receiver, XML, "/jobs", sign={"cos": GIVEN})
        assert (request.method, request.target, request.body) == ("POST", "/jobs", b"<Request/>")
        assert request.headers["content-type"] == "application/xml"
        cos.verify([KEY], "POST", "/jobs", "", request.headers, now=NOW)
        members = dict(part.split("=", 1) for part in request.headers["authorization"].split("&"))
        assert members["q-sign-algorithm"] == "sha1"
        assert members["q-ak"] == KEY.id
        assert members["q-header-list"] == "content-type;host"
        assert members["q-sign-time"] == members["q-key-time"] == f"{NOW - 60:.0f};{NOW + 3600:.0f}"

    async def test_the_query_is_covered(self, receiver: Receiver) -> None:
        request = await sent(receiver, XML, "/jobs?Tag=a%20b&x", sign={"cos": GIVEN})
        cos.verify([KEY], "POST", "/jobs", "Tag=a%20b&x", request.headers, now=NOW)
        with pytest.raises(SignatureError):
            cos.verify([KEY], "POST", "/jobs", "Tag=a%20c&x", request.headers, now=NOW)


@pytest.mark.anyio
async def test_each_attempt_is_signed_anew(receiver: Receiver) -> None:
    receiver.script(Answer(status=503), Answer(status=200))
    clock = StandingClock(NOW)
    settings = HttpSettings.model_validate({"url": f"{receiver.url}/jobs", "sign": {"cos": GIVEN}})
    async with HttpKind(clock).open(settings, Surroundings("ci", Path("data"), loopback=True)) as target:
        await target.deliver([XML])
        clock.time = NOW + 86_400
        await target.deliver([XML])
    first, second = receiver.requests
    cos.verify([KEY], "POST", "/jobs", "", second.headers, now=NOW + 86_400)
    with pytest.raises(SignatureError):
        cos.verify([KEY], "POST", "/jobs", "", first.headers, now=NOW + 86_400)


@pytest.mark.anyio
async def test_without_sign_nothing_is_signed(receiver: Receiver) -> None:
    request = await sent(receiver, XML, "/jobs")
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("sign", "what"),
    [
        ({}, "wants exactly one of standard-webhooks, hmac, bce, cos; found none"),
        ({"bce": GIVEN, "cos": GIVEN}, "found bce and cos"),
        ({"aws": GIVEN}, "Extra inputs are not permitted"),
        ({"bce": {"id": KEY.id}}, "Field required"),
        ({"bce": GIVEN | {"secret": ""}}, "is empty"),
        ({"cos": GIVEN | {"id": "a&q-signature=x"}}, "wants an id as the cloud has it"),
        ({"bce": GIVEN | {"id": "a/b"}}, "wants an id as the cloud has it"),
        ({"bce": GIVEN | {"id": ""}}, "at least 1 character"),
        ({"bce": GIVEN | {"id": "ä"}}, "wants an id as the cloud has it"),
    ],
)
def test_settings_that_are_refused(sign: dict[str, Any], what: str) -> None:
    assert what in faults({"sign": sign})


@pytest.mark.parametrize(
    ("kind", "name"), [("bce", "Authorization"), ("bce", "X-Bce-Date"), ("cos", "authorization")]
)
def test_what_a_signature_sets_nobody_else_may(kind: str, name: str) -> None:
    told = faults({"sign": {kind: GIVEN}, "headers": {name: "x"}})
    assert f"'{name}' is set by sign; leave it out of the headers" in told


def test_the_secret_does_not_show_itself() -> None:
    settings = HttpSettings.model_validate({"url": "http://127.0.0.1/", "sign": {"bce": GIVEN}})
    assert settings.sign is not None
    assert KEY.secret not in repr(settings) + str(settings) + settings.model_dump_json() + repr(
        settings.sign.signer
    )
