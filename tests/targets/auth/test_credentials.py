"""`auth`: bearer, basic and API keys as they arrive, and nowhere else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from router.targets.auth.hiding import forms, hidden
from router.targets.base import Delivered, Rejected, RetryLater
from tests.receiver import DROP, Answer, Receiver, Request
from tests.targets.sending import deliver, faults, message, shown

KEY = "hush/+ &=%7E-kéy"
QUOTED = "hush%2F%2B%20%26%3D%257E-k%C3%A9y"


async def sent(receiver: Receiver, auth: dict[str, Any], path: str = "/hook") -> Request:
    assert await deliver({"url": receiver.url + path, "auth": auth}) == [Delivered(200)]
    return receiver.requests[-1]


@pytest.mark.anyio
class TestWhatArrives:
    async def test_bearer(self, receiver: Receiver) -> None:
        request = await sent(receiver, {"bearer": "hush.abc"})
        assert request.headers["authorization"] == "Bearer hush.abc"

    @pytest.mark.parametrize(("user", "password"), [("router", "hush:a b"), ("hush-key", ""), ("ü", "hushß")])
    async def test_basic(self, receiver: Receiver, user: str, password: str) -> None:
        request = await sent(receiver, {"basic": {"user": user, "password": password}})
        scheme, _, credentials = request.headers["authorization"].partition(" ")
        assert (scheme, base64.b64decode(credentials).decode()) == ("Basic", f"{user}:{password}")

    async def test_the_basic_example_of_the_rfc(self, receiver: Receiver) -> None:
        """RFC 7617, section 2."""
        request = await sent(receiver, {"basic": {"user": "Aladdin", "password": "open sesame"}})
        assert request.headers["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="

    async def test_a_key_in_a_header(self, receiver: Receiver) -> None:
        request = await sent(receiver, {"api-key": {"header": "X-API-Key", "value": KEY}})
        assert (request.headers["x-api-key"], request.target) == (KEY, "/hook")

    @pytest.mark.parametrize(
        ("path", "target"),
        [
            ("/hook", f"/hook?the%20key={QUOTED}"),
            ("/hook?a=b", f"/hook?a=b&the%20key={QUOTED}"),
            ("", f"/?the%20key={QUOTED}"),
        ],
    )
    async def test_a_key_in_the_query(self, receiver: Receiver, path: str, target: str) -> None:
        request = await sent(receiver, {"api-key": {"query": "the key", "value": KEY}}, path)
        assert request.target == target

    async def test_a_file_holds_it(self, receiver: Receiver, tmp_path: Any) -> None:
        (tmp_path / "token").write_text("hush-of-a-file\n", encoding="utf-8")
        request = await sent(receiver, {"bearer": {"file": str(tmp_path / "token")}})
        assert request.headers["authorization"] == "Bearer hush-of-a-file"


AUTHS = [
    {"bearer": KEY},
    {"basic": {"user": "router", "password": KEY}},
    {"api-key": {"header": "x-key", "value": KEY}},
    {"api-key": {"query": "key", "value": KEY}},
    {"oauth": {"token_url": "https://a.example/", "client_id": "router", "client_secret": KEY}},
]


@pytest.mark.anyio
class TestNowhereElse:
    @pytest.mark.parametrize("auth", AUTHS[:-1])
    @pytest.mark.parametrize("status", [200, 302, 400, 401, 500])
    async def test_not_in_an_answer_that_repeats_it(
        self, receiver: Receiver, auth: dict[str, Any], status: int
    ) -> None:
        def echo(request: Request) -> Answer:
            credentials = request.headers.get("authorization", "").rpartition(" ")[2]
            said = f"{request.target} {KEY} {credentials}".encode()
            location = {"location": request.target + "&" + credentials} if status == 302 else {}
            return Answer(status, location, said)

        receiver.decide = echo
        with capture_logs() as logs:
            (outcome,) = await deliver({"url": receiver.url, "auth": auth})
        credentials = base64.b64encode(f"router:{KEY}".encode()).decode()
        for spelling in (KEY, QUOTED, credentials):
            assert spelling not in repr(outcome) + str(logs)
            assert spelling.encode() not in outcome.answer
        assert b"***" in outcome.answer

    @pytest.mark.parametrize("auth", AUTHS[:-1])
    async def test_not_where_there_is_no_answer(self, receiver: Receiver, auth: dict[str, Any]) -> None:
        receiver.script(DROP, Answer(raw=b"nonsense\r\n\r\n", then="close"))
        with capture_logs() as logs:
            outcomes = await deliver({"url": receiver.url, "auth": auth}, message(), message())
            receiver.stop()
            outcomes += await deliver({"url": receiver.url, "auth": auth})
        assert all(isinstance(outcome, RetryLater) for outcome in outcomes)
        assert "hush" not in repr(outcomes) + str(logs)

    @pytest.mark.parametrize("auth", AUTHS)
    async def test_not_in_the_settings(self, auth: dict[str, Any]) -> None:
        assert "hush" not in shown({"auth": auth})
        assert "router" not in shown({"auth": {"basic": {"user": "router", "password": "x"}}})


ESCAPED = 'se"k/ret\\tök-hush'


@pytest.mark.anyio
class TestHeaders:
    @pytest.mark.parametrize(
        ("headers", "secret"),
        [
            ({"authorization": "Bearer hush-token-123"}, "hush-token-123"),
            ({"Authorization": "Token hush"}, "hush"),
            ({"authorization": "Basic aHVzaDpodXNo=="}, "aHVzaDpodXNo"),
            ({"cookie": "sid=hush12; other=husher"}, "husher"),
            ({"x-vault-token": "hush"}, "hush"),
            ({"x-whatever": "hush-hush"}, "hush-hush"),
            ({"x-number": "hush-hush-{{ data.a }}"}, "hush-hush-"),
        ],
    )
    async def test_an_answer_that_repeats_one_is_kept_without_it(
        self, receiver: Receiver, headers: dict[str, str], secret: str
    ) -> None:
        name = next(iter(headers)).lower()
        receiver.decide = lambda request: Answer(
            302,
            {"location": f"/?{request.headers[name].partition(' ')[2]}"},
            f"<{request.headers[name]}> <{secret}>".encode(),
        )
        (outcome,) = await deliver({"url": receiver.url, "headers": headers})
        assert isinstance(outcome, RetryLater)
        assert secret not in repr(outcome)
        assert b"<***> <***>" in outcome.answer.replace(b"-1>", b">").replace(b"***1", b"***")

    async def test_what_is_no_secret_stays(self, receiver: Receiver) -> None:
        receiver.script(Answer(400, body=b"want application/xml, not application/json in v2"))
        headers = {"accept": "application/json", "x-api": "v2"}
        (outcome,) = await deliver({"url": receiver.url, "headers": headers})
        assert outcome.answer == b"want application/xml, not application/json in v2"

    @pytest.mark.parametrize("settings", [{"auth": {"bearer": ESCAPED}}, {"headers": {"x-key": ESCAPED}}])
    @pytest.mark.parametrize(
        "spell",
        [
            json.dumps,
            lambda text: json.dumps(text, ensure_ascii=False),
            lambda text: json.dumps(text).replace("/", "\\/"),
            quote,
            lambda text: quote(text, safe="").lower(),
            lambda text: base64.b64encode(text.encode()).decode(),
            lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        ],
        ids=["JSON", "JSON in UTF-8", "JSON of PHP", "URL", "URL in small letters", "base64", "base64url"],
    )
    async def test_however_it_is_spelt(
        self, receiver: Receiver, settings: dict[str, Any], spell: Callable[[str], str]
    ) -> None:
        receiver.script(Answer(400, body=f"<{spell(ESCAPED)}>".encode()))
        (outcome,) = await deliver({"url": receiver.url} | settings)
        assert outcome.answer.decode().replace('"', "").rstrip("=>") == "<***"


def test_longer_spellings_go_first() -> None:
    assert hidden("a%20b a b a", forms(["a b", "a"])) == "*** *** ***"


@pytest.mark.anyio
async def test_a_refusal_is_still_one(receiver: Receiver) -> None:
    receiver.script(Answer(400, body=b"hush-token is stale"))
    (outcome,) = await deliver({"url": receiver.url, "auth": {"bearer": "hush-token"}})
    assert outcome == Rejected("answered 400 Bad Request", 400, b"*** is stale")


@pytest.mark.parametrize(
    ("auth", "what"),
    [
        ({}, "wants exactly one of bearer, basic, api-key, oauth; found none"),
        ({"bearer": "hush", "basic": {"user": "a", "password": "hush"}}, "found bearer and basic"),
        ({"bearer": ""}, "is empty"),
        ({"bearer": "hush\r\nx: y"}, "has a control character"),
        ({"bearer": 1}, "wants a text, or {file: path}"),
        ({"token": "hush"}, "Extra inputs are not permitted"),
        ({"basic": {"user": "a:hush", "password": "hush"}}, "has a colon in it"),
        ({"basic": {"user": "a"}}, "Field required"),
        ({"api-key": {"value": "hush"}}, "wants either header or query"),
        ({"api-key": {"value": "hush", "header": "x-a", "query": "a"}}, "wants either header or query"),
        ({"api-key": {"value": "", "header": "x-a"}}, "is empty"),
        ({"api-key": {"value": "hush", "header": "host"}}, "is set by the router"),
        ({"api-key": {"value": "hush", "header": "x y"}}, "is no header name"),
        ({"api-key": {"value": "hush", "query": ""}}, "at least 1 character"),
        ({"oauth": {"client_id": "a", "client_secret": "hush"}}, "Field required"),
    ],
)
def test_settings_that_are_refused(auth: dict[str, Any], what: str) -> None:
    assert what in faults({"auth": auth})


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (
            {"auth": {"bearer": "hush"}, "headers": {"Authorization": "hush"}},
            "'Authorization' is set by auth; leave it out of the headers",
        ),
        (
            {"auth": {"api-key": {"header": "X-Key", "value": "hush"}}, "headers": {"x-key": "hush"}},
            "'x-key' is set by auth; leave it out of the headers",
        ),
        (
            {"auth": {"bearer": "hush"}, "sign": {"cos": {"id": "a", "secret": "hush"}}},
            "auth and sign both set 'authorization'; leave one of them out",
        ),
        (
            {"url": "http://127.0.0.1/?key=", "auth": {"api-key": {"query": "key", "value": "hush"}}},
            "'key' is set by auth; leave it out of the address",
        ),
    ],
)
def test_nobody_else_sets_them(settings: dict[str, Any], what: str) -> None:
    assert what in faults(settings)
