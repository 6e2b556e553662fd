"""What a source wants before it admits a request is fetched once; and what becomes of those who wait."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping

import anyio
import pytest

from router.errors import RouterError
from router.sources.base import Wanted
from router.targets.sender import Reply, Sender, open_sender
from router.web.library import MOST, PAUSE, Library, UnavailableError
from tests.receiver import Answer, Receiver
from tests.support import HandClock

pytestmark = pytest.mark.anyio

HOST = "https://certificates.example"


class Detour:
    """A sender that leads to the receiver on this machine whatever is asked of the certificates' host."""

    def __init__(self, sender: Sender, receiver: Receiver) -> None:
        self._sender = sender
        self._url = receiver.url

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        return await self._sender.send(method, re.sub(HOST, self._url, url), headers, body, seconds)


class Waiting:
    """Somebody who wants a document."""

    def __init__(self) -> None:
        self.learnt: list[bytes] = []
        self.errors: list[RouterError | None] = []
        self.done = anyio.Event()

    def ask(self, library: Library, path: str, host: str = HOST) -> None:
        library.fetch(Wanted(host + path, self.learnt.append), self._answered)

    async def answer(self) -> RouterError | None:
        with anyio.fail_after(10):
            await self.done.wait()
        (error,) = self.errors
        return error

    def _answered(self, error: RouterError | None) -> None:
        self.errors.append(error)
        self.done.set()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def library(receiver: Receiver, clock: HandClock) -> AsyncIterator[Library]:
    async with open_sender("tests") as sender:
        yield Library(Detour(sender, receiver), clock)


async def test_it_is_fetched_once_for_all_who_want_it(library: Library, receiver: Receiver) -> None:
    receiver.decide = lambda _: Answer(body=b"certificate")
    crowd = [Waiting() for _ in range(20)]
    for one in crowd:
        one.ask(library, "/a.pem")
    assert [await one.answer() for one in crowd] == [None] * 20
    assert [one.learnt for one in crowd] == [[b"certificate"]] * 20
    assert [(request.method, request.target) for request in receiver.requests] == [("GET", "/a.pem")]


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_what_cannot_be_had_is_not_asked_for_again_at_once(
    status: int, library: Library, receiver: Receiver, clock: HandClock
) -> None:
    receiver.decide = lambda _: Answer(status, {"location": f"{receiver.url}/elsewhere"})
    one = Waiting()
    one.ask(library, "/a.pem")
    error = await one.answer()
    assert isinstance(error, UnavailableError)
    assert f"it answered {status}" in error.message
    assert one.learnt == []
    with pytest.raises(UnavailableError):
        Waiting().ask(library, "/a.pem")
    assert len(receiver.requests) == 1
    clock.advance(PAUSE)
    receiver.decide = lambda _: Answer(body=b"certificate")
    later = Waiting()
    later.ask(library, "/a.pem")
    assert await later.answer() is None


async def test_only_https_is_asked(library: Library, receiver: Receiver) -> None:
    one = Waiting()
    one.ask(library, "/a.pem", host=receiver.url)
    assert isinstance(await one.answer(), UnavailableError)
    assert receiver.requests == []


async def test_a_stranger_cannot_have_many_fetched_at_once(library: Library, receiver: Receiver) -> None:
    gate = receiver.gate()
    receiver.decide = lambda _: Answer(gate=gate)
    crowd = [Waiting() for _ in range(MOST)]
    for number, one in enumerate(crowd):
        one.ask(library, f"/{number}")
    with pytest.raises(UnavailableError):
        Waiting().ask(library, "/another")
    gate.open()
    assert [await one.answer() for one in crowd] == [None] * MOST
