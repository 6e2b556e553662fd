"""`auth: {oauth: …}`: one token for everybody, a new one in time, and never a word of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import anyio
import pytest
from structlog.testing import capture_logs

from router.targets.base import Cause, Delivered, Outcome, RetryLater, Surroundings, Target
from router.targets.http import HttpKind
from router.targets.http_settings import HttpSettings
from tests.receiver import Answer, Receiver, Request
from tests.targets.auth.authorization import CLIENT, SECRET, Authorization, authorization
from tests.targets.clock import StandingClock
from tests.targets.sending import NOW, message, opened, shown

pytestmark = pytest.mark.anyio


@pytest.fixture
def server(receiver: Receiver) -> Iterator[Authorization]:
    with authorization(StandingClock(NOW), receiver) as server:
        yield server


def with_(server: Authorization, **oauth: Any) -> dict[str, Any]:
    return server.settings | {"auth": {"oauth": server.settings["auth"]["oauth"] | oauth}}


async def one(target: Target) -> Outcome:
    (outcome,) = await target.deliver([message()])
    return outcome


async def failed(server: Authorization, cause: Cause = Cause.MISDIRECTED, **oauth: Any) -> RetryLater:
    with capture_logs() as logs:
        async with opened(with_(server, **oauth), server.clock) as target:
            outcome = await one(target)
    assert isinstance(outcome, RetryLater)
    assert outcome.cause is cause
    assert server.resource.requests == []
    assert "hush" not in repr(outcome) + str(logs)
    return outcome


class TestAsking:
    @pytest.mark.parametrize("way", ["basic", "post"])
    async def test_the_client_says_who_it_is(self, server: Authorization, way: str) -> None:
        async with opened(with_(server, client_auth=way), server.clock) as target:
            assert await one(target) == Delivered(200)
        expected = {"grant_type": "client_credentials"}
        if way == "post":
            expected |= {"client_id": CLIENT, "client_secret": SECRET}
        assert server.said == [expected]
        (request,) = server.server.requests
        assert (request.method, request.target) == ("POST", "/token")
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert request.headers["accept"] == "application/json"

    async def test_scope_and_audience(self, server: Authorization) -> None:
        async with opened(
            with_(server, scope="events.write a", audience="https://x/y"), server.clock
        ) as target:
            assert await one(target) == Delivered(200)
        assert server.said[0] | {"grant_type": ""} == {
            "grant_type": "",
            "scope": "events.write a",
            "audience": "https://x/y",
        }


class TestKeeping:
    async def test_a_token_serves_until_shortly_before_its_end(self, server: Authorization) -> None:
        async with opened(server.settings, server.clock) as target:
            for passed in (0, 3539, 3540, 7079):
                server.clock.time = NOW + passed
                assert await one(target) == Delivered(200)
        numbers = [token[-1] for token in server.tokens_used]
        assert numbers == ["1", "1", "2", "2"]

    @pytest.mark.parametrize(
        ("lasts", "passed", "numbers"),
        [
            (40, 19, "11"),
            (40, 20, "12"),
            (0, 4, "11"),
            (0, 5, "12"),
            (-5, 4, "11"),
            (-5, 5, "12"),
            (2, 4, "11"),
        ],
    )
    async def test_a_short_one_serves_for_half_of_it(
        self, server: Authorization, lasts: float, passed: float, numbers: str
    ) -> None:
        server.extra = {"expires_in": lasts}
        async with opened(server.settings, server.clock) as target:
            await one(target)
            server.clock.time += passed
            await one(target)
        assert "".join(token[-1] for token in server.tokens_used) == numbers

    async def test_no_lifetime_makes_every_delivery_fetch_one(self, server: Authorization) -> None:
        for lasts in (0, -1, "nan", "-1e400", 1e-300):
            server.extra = {"expires_in": lasts}
            server.said.clear()
            async with opened(server.settings, server.clock) as target:
                assert [await one(target) for _ in range(5)] == [Delivered(200)] * 5
            assert len(server.said) == 1, lasts

    @pytest.mark.parametrize("lasts", ["nan", "inf", True, "soon", "", [], {"s": 1}, "1e400", 10**400])
    async def test_a_lifetime_that_is_none_is_not_said(self, server: Authorization, lasts: Any) -> None:
        server.extra, server.lasts = {"expires_in": lasts}, 1e9
        async with opened(server.settings, server.clock) as target:
            await one(target)
            server.clock.time += 1e8
            assert await one(target) == Delivered(200)
        assert len(server.said) == 1

    async def test_a_slow_answer_serves_those_who_waited_for_it(self, server: Authorization) -> None:
        server.extra = {"expires_in": 1}
        decide = server.server.decide

        def slowly(request: Request) -> Answer:
            answer = decide(request)
            server.clock.time += 8
            return answer

        server.server.decide, server.lasts = slowly, 3600
        async with opened(server.settings, server.clock) as target:
            assert [await one(target), await one(target)] == [Delivered(200)] * 2
        assert len(server.said) == 1

    async def test_one_without_an_end_serves_until_it_is_refused(self, server: Authorization) -> None:
        server.extra, server.lasts = {"expires_in": None}, 1e9
        async with opened(server.settings, server.clock) as target:
            await one(target)
            server.clock.time += 1e8
            assert await one(target) == Delivered(200)
        assert len(server.said) == 1

    @pytest.mark.parametrize(
        "extra", [{"token_type": None}, {"token_type": "bearer"}, {"expires_in": "3600"}]
    )
    async def test_answers_that_bend_the_rules(self, server: Authorization, extra: dict[str, Any]) -> None:
        server.extra = extra
        async with opened(server.settings, server.clock) as target:
            assert [await one(target), await one(target)] == [Delivered(200)] * 2
        assert len(server.said) == 1

    async def test_all_workers_share_one_fetch(self, server: Authorization) -> None:
        gate = server.server.gate()
        server.issued["hush.early"] = NOW + 3600
        body = b'{"access_token": "hush.early", "token_type": "Bearer", "expires_in": 3600}'
        server.server.script(Answer(gate=gate, body=body))
        found: list[Outcome] = []

        async def work(target: Target) -> None:
            found.append(await one(target))

        async with opened(server.settings, server.clock) as target, anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(work, target)
            await server.server.arrived(1)
            gate.open()
        assert found == [Delivered(200)] * 16
        assert len(server.server.requests) == 1

    async def test_and_one_failure(self, server: Authorization) -> None:
        gate = server.server.gate()
        server.server.script(Answer(status=500, gate=gate))
        found: list[Outcome] = []

        async def work(target: Target) -> None:
            found.append(await one(target))

        async with opened(server.settings, server.clock) as target:
            async with anyio.create_task_group() as group:
                for _ in range(16):
                    group.start_soon(work, target)
                await server.server.arrived(1)
                await anyio.wait_all_tasks_blocked()
                gate.open()
            assert {type(outcome) for outcome in found} == {RetryLater}
            assert len(server.server.requests) == 1
            assert await one(target) == Delivered(200)

    async def test_a_worker_that_goes_away_leaves_the_fetch_to_another(self, server: Authorization) -> None:
        server.server.script(Answer(gate=server.server.gate()))
        async with opened(server.settings, server.clock) as target:
            async with anyio.create_task_group() as group:
                group.start_soon(one, target)
                await server.server.arrived(1)
                group.cancel_scope.cancel()
            assert await one(target) == Delivered(200)
        assert len(server.server.requests) == 2


class TestRefused:
    async def test_a_revoked_token_is_replaced_and_the_attempt_repeated(self, server: Authorization) -> None:
        async with opened(server.settings, server.clock) as target:
            await one(target)
            server.issued.clear()
            assert await one(target) == Delivered(200)
        assert [token[-1] for token in server.tokens_used] == ["1", "1", "2"]
        ids = {request.headers["idempotency-key"] for request in server.resource.requests}
        assert ids == {message().id}

    async def test_all_workers_share_that_fetch_too(self, server: Authorization) -> None:
        found: list[Outcome] = []

        async def work(target: Target) -> None:
            found.append(await one(target))

        async with opened(server.settings, server.clock) as target:
            await one(target)
            gate = server.resource.gate()
            server.issued.clear()
            server.resource.script(*[Answer(status=401, gate=gate) for _ in range(16)])
            async with anyio.create_task_group() as group:
                for _ in range(16):
                    group.start_soon(work, target)
                await server.resource.arrived(17)
                gate.open()
        assert found == [Delivered(200)] * 16
        assert len(server.said) == 2

    async def test_once_only(self, server: Authorization) -> None:
        server.lasts, server.extra = 0, {"expires_in": 3600}
        async with opened(server.settings, server.clock) as target:
            outcome = await one(target)
        assert isinstance(outcome, RetryLater)
        assert (outcome.status, outcome.cause) == (401, Cause.MISDIRECTED)
        assert len(server.resource.requests) == len(server.said) == 2

    async def test_what_is_signed_is_signed_anew(self, server: Authorization) -> None:
        sign = {
            "hmac": {"header": "x-s", "secret": "hush", "timestamp": "x-time", "over": "{timestamp}{body}"}
        }
        server.resource.script(Answer(status=401))
        async with opened(server.settings | {"sign": sign}, server.clock) as target:
            assert await one(target) == Delivered(200)
        assert all("x-s" in request.headers for request in server.resource.requests)

    async def test_an_answer_that_repeats_the_token(self, server: Authorization) -> None:
        server.resource.script(Answer(status=500, body=b"what is hush.token-1?"))
        async with opened(server.settings, server.clock) as target:
            outcome = await one(target)
        assert outcome.answer == b"what is ***?"


class TestNoToken:
    async def test_wrong_credentials(self, server: Authorization) -> None:
        reason = (await failed(server, client_secret="hush-another")).reason
        place = f"127.0.0.1:{server.server.port}"
        told = f"there is no token: {place} answered 401 Unauthorized (invalid_client: *** is wrong)"
        assert reason.startswith(told)
        assert reason.endswith(
            "put the right client_id and client_secret into auth.oauth, or try another client_auth"
        )

    async def test_what_the_server_says_has_no_secret_and_no_line_break_in_it(
        self, server: Authorization
    ) -> None:
        said = b'{"error": "invalid_scope", "error_description": "hush: +/%\\u00e9\\n\\u0007\\u20ac"}'
        server.server.script(Answer(status=400, body=said))
        outcome = await failed(server)
        assert "(invalid_scope: ***?)" in outcome.reason
        assert outcome.reason.isprintable()

    @pytest.mark.parametrize("way", ["basic", "post"])
    async def test_a_server_that_repeats_what_it_was_sent(self, server: Authorization, way: str) -> None:
        def echo(request: Request) -> Answer:
            said = f"no: {request.headers.get('authorization')} {request.body.decode()}"
            return Answer(400, body=json.dumps({"error": "x", "error_description": said}).encode())

        server.server.decide = echo
        reason = (await failed(server, client_auth=way)).reason
        pair = f"{quote_plus(CLIENT)}:{quote_plus(SECRET)}"
        assert base64.b64encode(pair.encode()).decode().rstrip("=") not in reason
        assert ("no: Basic ***" if way == "basic" else "client_secret=***") in reason

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (Answer(body=b"<html>"), "answered without an access_token"),
            (Answer(body=b"{}"), "answered without an access_token"),
            (Answer(body=b'{"access_token": 7}'), "answered without an access_token"),
            (Answer(body=b'{"access_token": "\xff"}'), "answered without an access_token"),
            (Answer(body=b'{"access_token": ""}'), "gave a token that cannot stand in a header"),
            (
                Answer(body=b'{"access_token": "hush\\r\\nx: y"}'),
                "gave a token that cannot stand in a header",
            ),
            (Answer(body=b'{"access_token": "hush", "token_type": "mac"}'), "only Bearer is understood"),
            (Answer(status=404), "put the right one into auth.oauth.token_url"),
            (Answer(status=302, headers={"location": "/hush"}), "answered 302 Found"),
            (Answer(status=500, body=b"[]"), "answered 500 Internal Server Error"),
        ],
    )
    async def test_answers_without_a_token(self, server: Authorization, answer: Answer, why: str) -> None:
        server.server.script(answer)
        passes = answer.status >= 500  # that it is down is nobody's to mend here
        assert why in (await failed(server, Cause.PASSING if passes else Cause.MISDIRECTED)).reason

    async def test_a_server_that_is_not_there(self, server: Authorization) -> None:
        server.server.stop()
        outcome = await failed(server, Cause.PASSING)
        assert outcome.reason == f"there is no token: connection refused by 127.0.0.1:{server.server.port}"

    async def test_a_server_that_asks_for_time(self, server: Authorization) -> None:
        server.server.script(Answer(status=429, headers={"retry-after": "30"}))
        assert (await failed(server, Cause.PASSING)).after == 30.0

    async def test_an_address_is_vetted_as_any_when_it_is_connected_to(self, server: Authorization) -> None:
        kind = HttpKind(server.clock)
        at_large = Surroundings("chat", Path("data"), loopback=False, reject=frozenset())
        settings = with_(server, token_url="http://localhost:1/token") | {"url": "http://hooks.test/"}
        async with kind.open(HttpSettings.model_validate(settings), at_large) as target:
            outcome = await one(target)
        assert isinstance(outcome, RetryLater)
        assert outcome.reason.startswith("there is no token: the name localhost leads to ")


async def test_nothing_shows_itself(server: Authorization) -> None:
    assert "hush" not in shown(server.settings)
