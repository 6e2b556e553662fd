"""`sign: {standard-webhooks: …}`: the standard's own library believes what we send, through a rotation."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from router.targets.base import Body, Delivered, RetryLater
from tests.receiver import Answer, Receiver, Request
from tests.targets.clock import StandingClock
from tests.targets.sending import NOW, deliver, faults, message, opened, shown

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(b"hush, the one that comes").decode()
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = Ed25519PublicKey.from_public_bytes(base64.b64decode("1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="))

VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_AT = 1_614_265_330.0
VECTOR_BODY = Body(b'{"test": 2432232314}', "application/json")
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def settings(receiver: Receiver, secrets: Any) -> dict[str, Any]:
    return {"url": receiver.url, "sign": {"standard-webhooks": secrets}}


async def sent_now(receiver: Receiver, secrets: Any) -> Request:
    """The library looks at the clock itself, so this one is the real one."""
    async with opened(settings(receiver, secrets), StandingClock(time.time())) as target:
        assert await target.deliver([message()]) == [Delivered(200)]
    return receiver.requests[-1]


def believes(secret: str, request: Request) -> bool:
    try:
        Webhook(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


@pytest.mark.anyio
async def test_a_rotation(receiver: Receiver) -> None:
    """Old, both, new: at no step is there a receiver that believes nothing."""
    steps = [await sent_now(receiver, secrets) for secrets in (OLD, [OLD, NEW], [NEW])]
    assert [(believes(OLD, one), believes(NEW, one)) for one in steps] == [
        (True, False),
        (True, True),
        (False, True),
    ]


@pytest.mark.anyio
async def test_from_symmetric_to_asymmetric(receiver: Receiver) -> None:
    request = await sent_now(receiver, [OLD, PRIVATE])
    assert believes(OLD, request)
    v1, v1a = request.headers["webhook-signature"].split(" ")
    assert v1.startswith("v1,")
    stamp = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
    PUBLIC.verify(base64.b64decode(v1a.removeprefix("v1a,")), stamp + request.body)


@pytest.mark.anyio
async def test_an_altered_body_is_not_believed(receiver: Receiver) -> None:
    request = await sent_now(receiver, OLD)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(request.body + b" ", request.headers)


@pytest.mark.anyio
@pytest.mark.parametrize(("secret", "signature"), [(OLD, V1), (PRIVATE, V1A)])
async def test_the_vectors_on_the_wire(receiver: Receiver, secret: str, signature: str) -> None:
    sample = message(body=VECTOR_BODY)
    sample = type(sample)(VECTOR_ID, 1, sample.event, VECTOR_BODY, (), 1)
    async with opened(settings(receiver, secret), StandingClock(VECTOR_AT)) as target:
        assert await target.deliver([sample]) == [Delivered(200)]
    headers = receiver.requests[0].headers
    found = (headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"])
    assert found == (VECTOR_ID, "1614265330", signature)


@pytest.mark.anyio
async def test_the_id_stays_and_the_time_does_not(receiver: Receiver) -> None:
    receiver.script(Answer(status=503), Answer())
    clock = StandingClock(NOW)
    async with opened(settings(receiver, OLD), clock) as target:
        assert isinstance((await target.deliver([message()]))[0], RetryLater)
        clock.time += 86_400
        assert await target.deliver([message()]) == [Delivered(200)]
    first, second = (one.headers for one in receiver.requests)
    assert first["webhook-id"] == second["webhook-id"] == message().id == first["idempotency-key"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 86_400
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.anyio
async def test_an_empty_body_is_signed_too(receiver: Receiver) -> None:
    bare = message(body=Body(b"", "text/plain"))
    assert await deliver(settings(receiver, OLD), bare) == [Delivered(200)]
    assert "webhook-signature" in receiver.requests[0].headers


@pytest.mark.parametrize(
    ("secrets", "what"),
    [
        ("", "is empty"),
        ([], "is empty: nothing would be signed"),
        ("hush", "wants whsec_… or whsk_…"),
        ([OLD, "hush"], "number 2: wants whsec_… or whsk_…"),
        ("whsec_aHVzaA==", "holds 4 bytes; a secret has 24 to 64"),
        (7, "wants a text, or {file: path}"),
    ],
)
def test_secrets_that_are_refused(secrets: Any, what: str) -> None:
    assert what in faults({"sign": {"standard-webhooks": secrets}})


def test_the_secrets_do_not_show_themselves() -> None:
    told = shown({"sign": {"standard-webhooks": [OLD, NEW, PRIVATE]}})
    assert not any(secret[6:] in told for secret in (OLD, NEW, PRIVATE))


def test_it_is_not_signed_twice() -> None:
    told = faults({"sign": {"standard-webhooks": OLD, "hmac": {"header": "x-s", "secret": "hush"}}})
    assert "wants exactly one of standard-webhooks, hmac, bce, cos; found standard-webhooks and hmac" in told
