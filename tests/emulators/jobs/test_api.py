from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from router.emulators.jobs.api import Submitted, Terms, serving
from router.emulators.jobs.submission import Queue
from router.emulators.jobs.told import Outcome
from router.emulators.schedule import Then
from router.emulators.sending import Attempt, Surroundings
from router.signatures import cos
from router.signatures.base import Key
from router.sources import xml
from router.targets.sender import open_sender
from router.web.server import listen, url_of
from tests.client import Reply, request
from tests.receiver import Answer, Receiver
from tests.support import HandClock

pytestmark = pytest.mark.anyio

KEY = Key("AKID", "s3cret")
HOST = "bucket-1250000000.ci.ap-beijing.myqcloud.com"


@dataclass
class House:
    """An emulator that is served.

    Attributes:
        submitted, attempts: what it told.
    """

    url: str
    clock: HandClock
    submitted: list[Submitted] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    async def ask(self, body: bytes, *, method: str = "POST", path: str = "/jobs", **fields: str) -> Reply:
        headers = {"host": HOST, "content-type": "application/xml"} | fields
        return await anyio.to_thread.run_sync(partial(request, method, self.url + path, body, headers))

    async def submit(self, body: bytes, key: Key = KEY, at: float | None = None) -> Reply:
        at = self.clock.now() if at is None else at
        return await self.ask(body, authorization=cos.sign(key, "POST", "/jobs", "", {"host": HOST}, at=at))


@asynccontextmanager
async def house(*, keys: tuple[Key, ...] = (KEY,), queue: Queue | None = None) -> AsyncIterator[House]:
    with listen("127.0.0.1", 0) as listening:
        made = House(url_of(listening), HandClock())
        terms = Terms(keys, queue or Queue(), Outcome.SUCCESS, 10.0, made.submitted.append)
        async with open_sender("tests") as sender:
            around = Surroundings(sender, made.clock, Random(1), made.attempts.append, speed=10.0)
            async with serving(terms, around, listening):
                yield made


def job(callback: str, form: str = "JSON", name: str = "pic/1.png") -> bytes:
    return (
        f"<Request><Tag>ImageOCR</Tag><Input><Object>{name}</Object></Input><Operation>"
        f"<TemplateId>t1</TemplateId><UserData>mine</UserData></Operation><CallBack>{callback}</CallBack>"
        f"<CallBackFormat>{form}</CallBackFormat></Request>"
    ).encode()


def error(reply: Reply) -> tuple[int, str]:
    name, told = xml.read(reply.body)
    assert name == "Error"
    assert told["Resource"] == "/jobs"
    assert told["RequestId"] == reply.headers["x-ci-request-id"]
    return reply.status, told["Code"]


def answer(reply: Reply) -> dict[str, Any]:
    assert (reply.status, reply.headers["content-type"]) == (200, "application/xml")
    detail: dict[str, Any] = xml.read(reply.body)[1]["JobsDetail"]
    return detail


@pytest.mark.parametrize("form", ["JSON", "XML"])
@pytest.mark.parametrize(
    ("name", "state"), [("1.png", "Success"), ("failed.png", "Failed"), ("cancel/1", "Cancel")]
)
async def test_a_job_is_taken_and_calls_back_later(
    form: str, name: str, state: str, receiver: Receiver
) -> None:
    async with house() as emulator:
        detail = answer(await emulator.submit(job(f"{receiver.url}/cb?token=t0ken", form, name)))
        assert detail["State"] == "Submitted"
        assert detail["Input"] == {"BucketId": "bucket-1250000000", "Object": name, "Region": "ap-beijing"}
        emulator.clock.advance(0.9)
        assert receiver.requests == []  # ten seconds of the cloud's are one here
        emulator.clock.advance(0.1)
        (callback,) = await receiver.arrived(1)
        assert callback.target == "/cb?token=t0ken"
        told = json.loads(callback.body) if form == "JSON" else {"Response": xml.read(callback.body)[1]}
        done = told["Response"]["JobsDetail"]
        done = done[0] if form == "JSON" else done
        assert (done["JobId"], done["State"]) == (detail["JobId"], state)
        assert done["Operation"]["UserData"] == "mine"
        (submitted,) = emulator.submitted
        assert (submitted.job, submitted.outcome) == (detail["JobId"], state)
        assert submitted.callback == f"{receiver.url}/cb"  # a token is nobody's business


async def test_a_callback_that_is_not_taken_is_lost(receiver: Receiver) -> None:
    receiver.script(Answer(503))
    async with house() as emulator:
        answer(await emulator.submit(job(receiver.url)))
        emulator.clock.advance(1)
        await receiver.arrived(1)
        with anyio.fail_after(5):
            while not emulator.attempts:
                await anyio.lowlevel.checkpoint()
    assert [(attempt.status, attempt.then) for attempt in emulator.attempts] == [(503, Then.LOST)]
    assert len(receiver.requests) == 1


async def test_no_callback_where_none_is_wanted(receiver: Receiver) -> None:
    async with house(queue=Queue(f"{receiver.url}/usual")) as emulator:
        answer(await emulator.submit(job("no")))
        answer(await emulator.submit(job("")))
        emulator.clock.advance(1)
        await receiver.arrived(1)
    assert [request.target for request in receiver.requests] == ["/usual"]
    assert [one.callback for one in emulator.submitted] == [None, f"{receiver.url}/usual"]


async def test_who_does_not_sign_rightly_is_refused_as_cos_does() -> None:
    body = job("no")
    async with house() as emulator:
        now = emulator.clock.now()
        assert error(await emulator.ask(body)) == (403, "AccessDenied")
        assert error(await emulator.ask(body, authorization="q-sign-algorithm=md5")) == (403, "AccessDenied")
        assert error(await emulator.submit(body, at=now - 7200)) == (403, "AccessDenied")
        assert error(await emulator.submit(body, Key("AKID", "other"))) == (403, "SignatureDoesNotMatch")
        assert error(await emulator.submit(body, Key("OTHER", "s3cret"))) == (403, "InvalidAccessKeyId")
        assert not any(told.job for told in emulator.submitted)
        assert "403 SignatureDoesNotMatch: " in emulator.submitted[3].refused
        answer(await emulator.submit(body))


async def test_without_a_key_anybody_may_submit() -> None:
    async with house(keys=()) as emulator:
        answer(await emulator.ask(job("no")))


async def test_a_web_page_may_not_submit() -> None:
    async with house(keys=()) as emulator:
        assert error(await emulator.ask(job("no"), origin="https://example.com")) == (403, "AccessDenied")


async def test_what_it_cannot_take() -> None:
    async with house() as emulator:
        assert error(await emulator.submit(b"{}")) == (400, "MalformedXML")
        assert error(await emulator.submit(job("http://callback.demo.com"))) == (400, "InvalidArgument")
        assert error(await emulator.submit(b"<Request>" + b" " * 200_000)) == (400, "EntityTooLarge")
        assert error(await emulator.ask(b"", method="GET")) == (405, "MethodNotAllowed")


async def test_where_the_host_names_no_bucket_it_is_the_documents() -> None:
    async with house(keys=()) as emulator:
        detail = answer(await emulator.ask(job("no"), host="127.0.0.1:8090"))
    assert detail["Input"]["BucketId"] == "test-1234567890"
