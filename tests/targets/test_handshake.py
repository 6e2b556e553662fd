"""`handshake`: a receiver is asked first, is believed only when it says yes, and sets the pace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from router.targets.base import Cause, Delivered, Outcome, RetryLater
from tests.process import RouterProcess
from tests.receiver import DROP, Answer, Receiver
from tests.targets.clock import StandingClock
from tests.targets.sending import NOW, deliver, faults, message, opened

ORIGIN = "router.example.com"

pytestmark = pytest.mark.anyio


def settings(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"url": f"{receiver.url}/hook?a=b", "handshake": {"origin": ORIGIN} | more}


def consents(receiver: Receiver, **headers: str) -> None:
    """Have the receiver answer OPTIONS with these headers (`allowed_origin`, `allowed_rate`)."""
    held = {f"WebHook-{name.replace('_', '-')}": value for name, value in headers.items()}
    receiver.decide = lambda request: Answer(200, held if request.method == "OPTIONS" else {})


async def refused(receiver: Receiver, **more: Any) -> RetryLater:
    (outcome,) = await deliver(settings(receiver, **more))
    assert isinstance(outcome, RetryLater)
    assert [request.method for request in receiver.requests] == ["OPTIONS"]
    return outcome


class TestConsent:
    @pytest.mark.parametrize("allowed", [ORIGIN, "*", "Router.Example.Com"])
    async def test_is_asked_for_once(self, receiver: Receiver, allowed: str) -> None:
        consents(receiver, allowed_origin=allowed)
        assert await deliver(settings(receiver), message(), message(number=2)) == [Delivered(200)] * 2
        asked, first, second = receiver.requests
        assert (asked.method, asked.target, asked.body) == ("OPTIONS", "/hook?a=b", b"")
        assert "webhook-request-rate" not in asked.headers
        assert [one.method for one in (first, second)] == ["POST", "POST"]
        for request in receiver.requests:  # section 4.1.2: of each delivery as well
            assert request.headers["webhook-request-origin"] == ORIGIN

    async def test_and_again_when_configured_anew(self, receiver: Receiver) -> None:
        consents(receiver, allowed_origin="*")
        for _ in range(2):
            await deliver(settings(receiver))
        assert [one.method for one in receiver.requests] == ["OPTIONS", "POST"] * 2

    async def test_all_workers_wait_for_it(self, receiver: Receiver) -> None:
        gate = receiver.gate()
        receiver.script(Answer(200, {"WebHook-Allowed-Origin": "*"}, gate=gate))
        found: list[Outcome] = []
        async with opened(settings(receiver)) as target, anyio.create_task_group() as group:

            async def work() -> None:
                found.extend(await target.deliver([message()]))

            for _ in range(4):
                group.start_soon(work)
            await receiver.arrived(1)
            gate.open()
        assert found == [Delivered(200)] * 4
        assert [one.method for one in receiver.requests].count("OPTIONS") == 1

    async def test_and_for_a_refusal(self, receiver: Receiver) -> None:
        gate = receiver.gate()
        receiver.script(Answer(500, gate=gate))
        consents(receiver, allowed_origin="*")
        found: list[Outcome] = []
        async with opened(settings(receiver)) as target:

            async def work() -> None:
                found.extend(await target.deliver([message()]))

            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(work)
                await receiver.arrived(1)
                await anyio.wait_all_tasks_blocked()
                gate.open()
            assert {type(outcome) for outcome in found} == {RetryLater}
            assert [one.method for one in receiver.requests] == ["OPTIONS"]
            assert await target.deliver([message()]) == [Delivered(200)]

    async def test_strangers_get_no_credentials(self, receiver: Receiver) -> None:
        consents(receiver, allowed_origin="*")
        auth = {"auth": {"api-key": {"query": "key", "value": "hush"}}, "headers": {"x-token": "hush"}}
        await deliver(settings(receiver) | auth)
        asked, sent = receiver.requests
        assert "hush" not in repr(asked)
        assert (sent.target, sent.headers["x-token"]) == ("/hook?a=b&key=hush", "hush")


async def test_a_router_consents_to_a_router(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text("rules: []\ntargets: {}\n", encoding="utf-8")
    with RouterProcess([tmp_path / "router.yml"], tmp_path / "data") as running:
        handshake = {"origin": ORIGIN, "rate": "600/m"}
        (outcome,) = await deliver({"url": f"{running.url}/events", "handshake": handshake})
    assert isinstance(outcome, Delivered)


class TestRefusal:
    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (Answer(200), "it answered 200 OK without WebHook-Allowed-Origin"),
            (Answer(204, {"Allow": "POST"}), "it answered 204 No Content without"),
            (Answer(200, {"WebHook-Allowed-Origin": "a.example"}), "consenting to 'a.example'"),
            (Answer(200, {"WebHook-Allowed-Origin": ""}), "without WebHook-Allowed-Origin"),
            (Answer(405), "it answered 405 Method Not Allowed without"),
            (Answer(404, {"WebHook-Allowed-Origin": "*"}), "it answered 404 Not Found"),
            (Answer(302, {"WebHook-Allowed-Origin": "*", "Location": "/"}), "it answered 302 Found"),
        ],
    )
    async def test_only_the_header_of_a_success_is_consent(
        self, receiver: Receiver, answer: Answer, why: str
    ) -> None:
        receiver.script(answer)
        outcome = await refused(receiver)
        assert outcome.cause is Cause.MISDIRECTED
        assert why in outcome.reason
        assert outcome.reason.endswith(f"no consent to {ORIGIN}: have it answer, or drop handshake")

    async def test_it_is_asked_again_at_the_next_attempt(self, receiver: Receiver) -> None:
        receiver.script(Answer(200), Answer(200, {"WebHook-Allowed-Origin": "*"}))
        first, second = await deliver(settings(receiver), message(), message())
        assert isinstance(first, RetryLater)
        assert second == Delivered(200)

    @pytest.mark.parametrize(("status", "after"), [(500, None), (503, 30.0), (429, 30.0)])
    async def test_trouble_is_no_refusal(self, receiver: Receiver, status: int, after: float | None) -> None:
        receiver.script(Answer(status, {} if after is None else {"retry-after": "30"}))
        outcome = await refused(receiver)
        assert (outcome.cause, outcome.after, outcome.status) == (Cause.PASSING, after, status)

    async def test_neither_is_silence(self, receiver: Receiver) -> None:
        receiver.script(DROP)
        outcome = await refused(receiver)
        assert outcome.cause is Cause.PASSING
        assert outcome.reason.startswith("it could not be asked whether it wants events: connection closed")


class TestRate:
    @pytest.mark.parametrize(
        ("asked", "allowed", "seconds"),
        [
            (None, "120", 0.5),
            ("60/m", "120", 1.0),
            ("2/s", "30", 2.0),
            ("60/m", "*", 1.0),
            ("60/m", "soon", 1.0),
            ("7/m", "", 60 / 7),
        ],
    )
    async def test_is_kept(self, receiver: Receiver, asked: str | None, allowed: str, seconds: float) -> None:
        consents(receiver, allowed_origin="*", allowed_rate=allowed)
        clock = StandingClock(NOW)
        times = []
        more = {} if asked is None else {"rate": asked}
        async with opened(settings(receiver, **more), clock) as target:
            for _ in range(3):
                await target.deliver([message()])
                times.append(clock.time - NOW)
        assert times == pytest.approx([0, seconds, 2 * seconds])

    async def test_without_one_there_is_no_waiting(self, receiver: Receiver) -> None:
        consents(receiver, allowed_origin="*", allowed_rate="*")
        clock = StandingClock(NOW)
        async with opened(settings(receiver), clock) as target:
            for _ in range(3):
                await target.deliver([message()])
        assert clock.time == NOW

    async def test_it_is_asked_for_by_the_minute(self, receiver: Receiver) -> None:
        consents(receiver, allowed_origin="*")
        await deliver(settings(receiver, rate="2/s"))
        assert receiver.requests[0].headers["webhook-request-rate"] == "120"

    async def test_who_would_wait_too_long_rests(self, receiver: Receiver) -> None:
        consents(receiver, allowed_origin="*", allowed_rate="2")
        first, second = await deliver(settings(receiver), message(), message())
        assert first == Delivered(200)
        why = "it takes 2 requests a minute (WebHook-Allowed-Rate)"
        assert second == RetryLater(why, after=30.0, cause=Cause.THROTTLED)

    async def test_one_worker_will_do(self, receiver: Receiver) -> None:
        async with opened(settings(receiver)) as asking, opened({"url": receiver.url}) as plain:
            assert (asking.concurrency, plain.concurrency) == (1, 16)


@pytest.mark.parametrize(
    ("handshake", "what"),
    [
        ({}, "Field required"),
        ({"origin": ""}, "is no name of a system"),
        ({"origin": "https://a.example"}, "is no name of a system"),
        ({"origin": "a.example\r\nx: y"}, "is no name of a system"),
        ({"origin": "a." * 127 + "com"}, "is no name of a system"),
        ({"origin": ORIGIN, "rate": "59/h"}, "is less than 1/m"),
        ({"origin": ORIGIN, "rate": "fast"}, "is no rate"),
        ({"origin": ORIGIN, "callback": "https://a.example"}, "Extra inputs are not permitted"),
    ],
)
async def test_settings_that_are_refused(handshake: dict[str, Any], what: str) -> None:
    assert what in faults({"handshake": handshake})
