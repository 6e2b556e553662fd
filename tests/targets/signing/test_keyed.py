"""`sign: {hmac: …}`: what GitHub's, Slack's, Stripe's and Shopify's receivers compute, on what arrives."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from router.targets.base import Body, Delivered, RetryLater
from tests.receiver import Answer, Receiver, Request
from tests.targets.clock import StandingClock
from tests.targets.sending import NOW, deliver, faults, message, opened, shown

SECRET = "hush-the-secret"
TIME = f"{NOW:.0f}"


async def sent(receiver: Receiver, **sign: Any) -> Request:
    given = {
        "url": f"{receiver.url}/hook",
        "sign": {"hmac": {"header": "X-Signature", "secret": SECRET} | sign},
    }
    assert await deliver(given) == [Delivered(200)]
    return receiver.requests[-1]


def digest(text: bytes, algorithm: str = "sha256", secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), text, algorithm).digest()


@pytest.mark.anyio
class TestReceivers:
    async def test_github(self, receiver: Receiver) -> None:
        """docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries."""
        request = await sent(receiver, header="X-Hub-Signature-256", value="sha256={signature}")
        assert request.headers["x-hub-signature-256"] == "sha256=" + digest(request.body).hex()

    async def test_the_known_answer_of_github(self, receiver: Receiver) -> None:
        """The values in the same document."""
        known = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        assert hmac.new(b"It's a Secret to Everybody", b"Hello, World!", hashlib.sha256).hexdigest() == known
        sign = {"header": "x-s", "secret": "It's a Secret to Everybody"}
        body = Body(b"Hello, World!", "text/plain")
        assert await deliver({"url": receiver.url, "sign": {"hmac": sign}}, message(body=body)) == [
            Delivered(200)
        ]
        assert receiver.requests[0].headers["x-s"] == known

    async def test_slack(self, receiver: Receiver) -> None:
        """docs.slack.dev/authentication/verifying-requests-from-slack."""
        request = await sent(
            receiver,
            header="X-Slack-Signature",
            over="v0:{timestamp}:{body}",
            value="v0={signature}",
            timestamp="X-Slack-Request-Timestamp",
        )
        assert request.headers["x-slack-request-timestamp"] == TIME
        expected = digest(f"v0:{TIME}:".encode() + request.body).hex()
        assert request.headers["x-slack-signature"] == f"v0={expected}"

    async def test_stripe_through_a_rotation(self, receiver: Receiver) -> None:
        """docs.stripe.com/webhooks: `t=` once or more, and any of the `v1=`."""
        secrets = [SECRET, "hush-the-next-one"]
        value = "t={timestamp},v1={signature}"
        request = await sent(
            receiver, header="Stripe-Signature", secret=secrets, over="{timestamp}.{body}", value=value
        )
        items = [item.split("=", 1) for item in request.headers["stripe-signature"].split(",")]
        assert {held for name, held in items if name == "t"} == {TIME}
        text = f"{TIME}.".encode() + request.body
        assert [held for name, held in items if name == "v1"] == [
            digest(text, secret=secret).hex() for secret in secrets
        ]

    async def test_shopify(self, receiver: Receiver) -> None:
        """shopify.dev/docs/apps/build/webhooks: base64."""
        request = await sent(receiver, header="X-Shopify-Hmac-SHA256", encoding="base64")
        assert base64.b64decode(request.headers["x-shopify-hmac-sha256"]) == digest(request.body)

    @pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
    async def test_every_algorithm(self, receiver: Receiver, algorithm: str) -> None:
        request = await sent(receiver, algorithm=algorithm)
        assert request.headers["x-signature"] == digest(request.body, algorithm).hex()

    async def test_the_deliverys_id_can_be_covered(self, receiver: Receiver) -> None:
        request = await sent(receiver, over="{id}.{body}")
        text = request.headers["webhook-id"].encode() + b"." + request.body
        assert request.headers["x-signature"] == digest(text).hex()


@pytest.mark.anyio
async def test_what_is_sent_fills_nothing_in(receiver: Receiver) -> None:
    body = Body(b"{timestamp}{id}{body}", "text/plain")
    sign = {"header": "x-s", "secret": SECRET, "over": "{body}|{id}"}
    assert await deliver({"url": receiver.url, "sign": {"hmac": sign}}, message(body=body)) == [
        Delivered(200)
    ]
    text = body.content + b"|" + message().id.encode()
    assert receiver.requests[0].headers["x-s"] == digest(text).hex()


@pytest.mark.anyio
async def test_each_attempt_has_its_own_time(receiver: Receiver) -> None:
    receiver.script(Answer(status=503), Answer())
    sign = {"header": "x-s", "secret": SECRET, "over": "{timestamp}.{body}", "timestamp": "x-time"}
    clock = StandingClock(NOW)
    async with opened({"url": receiver.url, "sign": {"hmac": sign}}, clock) as target:
        assert isinstance((await target.deliver([message()]))[0], RetryLater)
        clock.time = NOW + 3600
        assert await target.deliver([message()]) == [Delivered(200)]
    first, second = receiver.requests
    assert (first.headers["x-time"], second.headers["x-time"]) == (TIME, f"{NOW + 3600:.0f}")
    for request in (first, second):
        expected = digest(f"{request.headers['x-time']}.".encode() + request.body).hex()
        assert request.headers["x-s"] == expected
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize(
    ("sign", "what"),
    [
        ({"header": "x y"}, "is no header name"),
        ({"header": "content-type"}, "is set by the router"),
        ({"header": "webhook-signature"}, "is set by the router"),
        ({"timestamp": "host"}, "is set by the router"),
        ({"timestamp": "X-signature"}, "header and timestamp are the same header"),
        ({"secret": ""}, "is empty"),
        ({"secret": []}, "is empty: nothing would be signed"),
        ({"secret": [SECRET, ""]}, "is empty"),
        ({"algorithm": "md5"}, "'sha256', 'sha1' or 'sha512'"),
        ({"encoding": "base32"}, "'hex' or 'base64'"),
        ({"over": "{timestamp}"}, "{body} is missing"),
        ({"over": "{bodi}{body}"}, "there is nothing called {bodi} here; there is {body}, {timestamp}, {id}"),
        ({"over": "{timestamp}.{body}"}, "nothing tells it to the receiver"),
        ({"value": "sha256="}, "{signature} is missing"),
        ({"value": "{body}{signature}"}, "there is nothing called {body} here"),
        ({"value": "{signature}\r\nx: y"}, "has a control character"),
    ],
)
def test_settings_that_are_refused(sign: dict[str, Any], what: str) -> None:
    assert what in faults({"sign": {"hmac": {"header": "x-signature", "secret": SECRET} | sign}})


def test_nobody_else_sets_its_headers() -> None:
    sign = {"hmac": {"header": "X-Signature", "secret": SECRET, "timestamp": "X-Time"}}
    for name in ("x-signature", "x-time"):
        told = faults({"sign": sign, "headers": {name: "1"}})
        assert f"'{name}' is set by sign; leave it out of the headers" in told


def test_the_secrets_do_not_show_themselves() -> None:
    assert "hush" not in shown({"sign": {"hmac": {"header": "x-s", "secret": [SECRET, "hush2"]}}})
