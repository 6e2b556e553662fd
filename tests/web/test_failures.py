"""A fault in the router itself: one request fails, in its sender's dialect, and everything goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from router.errors import MessageError
from router.events.received import Received
from router.main import SOURCES
from router.sources.base import Answer, Request, Source
from router.sources.cloudevents import CloudEventsSource
from router.sources.settings import SourceSettings
from router.store.base import Record
from router.store.memory import MemoryStore
from tests.support import HandClock
from tests.web.running import BINARY, Running, Wire, binary, head, way_to

BODY = b"fail"
FAILED = "The router failed on this request, and nothing of it was stored; the router's log says why."


class Failing:
    """A source with a fault: a request whose body is `fail` ends in it."""

    shape: ClassVar[type[SourceSettings]] = SourceSettings

    def __init__(self, kind: str, place: str) -> None:
        self._real: Source = SOURCES[kind]()
        self._place = place
        self.kind = kind
        self.paths: Sequence[str] = self._real.paths
        self.repeats = self._real.repeats
        self.verifies = self._real.verifies
        self.by_head = self._real.by_head
        self.keeps_unreadable = self._real.keeps_unreadable

    def admit(self, request: Request) -> None:
        self._real.admit(request)

    def kept(self, request: Request) -> Answer:
        return self._real.kept(request)

    def greeted(self, request: Request) -> Answer | None:
        return self._real.greeted(request)

    def redacted(self, body: bytes) -> bytes:
        return self._real.redacted(body)

    def read(self, request: Request) -> Received:
        if request.body == BODY:
            if self._place == "read":
                raise ZeroDivisionError("a fault in a source")
            if self._place == "refused":
                raise MessageError(BODY.decode())
            return Received(())
        return self._real.read(request)

    def accepted(self, received: Received) -> Answer:
        if self._place == "accepted" and not received.readings:
            raise ZeroDivisionError("a fault in a source")
        return self._real.accepted(received)

    def refused(self, error: MessageError) -> Answer:
        if error.message == BODY.decode():
            raise ZeroDivisionError("a fault in a source")
        return self._real.refused(error)

    def overloaded(self, retry_after: int) -> Answer:
        return self._real.overloaded(retry_after)


class FaultyStore(MemoryStore):
    """A store with a fault, which is no failing disk."""

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        if records[0].event.id == "fault":
            raise RecursionError("a fault in the store")
        return await super().append(records)


def fails(wire: Wire, request: bytes) -> tuple[Mapping[str, str], Mapping[str, object]]:
    """Send what fails; the answer's header fields, and the line in the log."""
    with capture_logs() as lines:
        wire.send(request)
        reply = wire.reply()
    assert (reply.status, reply.error) == (500, FAILED)
    (line,) = lines
    assert (line["event"], line["log_level"], line["status"]) == ("request.failed", "error", 500)
    return reply.headers, line


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("place", ["read", "accepted", "refused"])
def test_a_fault_of_a_source_is_told_in_its_dialect(
    tmp_path: Path, kind: str, place: str, *, direct: bool
) -> None:
    source = Failing(kind, place)
    with Running(tmp_path, sources={kind: source}, direct=direct) as running, running.connect() as wire:
        target, fields = way_to(source)
        request = head(target=target, headers={**fields, "content-length": "4"}) + BODY
        headers, line = fails(wire, request)
        assert ("x-bce-request-id" in headers) == (kind == "baidu")
        error = line["exc_info"]
        assert isinstance(error, ZeroDivisionError)
        assert error.__traceback__ is not None
        assert (line["source"], line["path"], line["bytes"]) == (kind, target, 4)
        wire.send(binary())  # the connection is still good
        assert wire.reply().status == 202
        assert len(running.stored()) == 1


def test_a_fault_on_the_way_to_the_disk_is_told_and_the_connection_stays_usable(
    tmp_path: Path, *, direct: bool
) -> None:
    with (
        Running(tmp_path, store=FaultyStore(HandClock()), direct=direct) as running,
        running.connect() as wire,
    ):
        fields = BINARY | {"ce-id": "fault", "content-length": "0"}
        _, line = fails(wire, head(headers=fields))
        assert isinstance(line["exc_info"], RecursionError)
        wire.send(binary())
        assert wire.reply().status == 202
        assert [record.event.id for record in running.stored()] == ["1"]


class Wordless(CloudEventsSource):
    """Has a success that HTTP has no words for."""

    def accepted(self, received: Received) -> Answer:
        return Answer(600)


def test_who_cannot_be_answered_does_not_wait_for_an_answer(tmp_path: Path, *, direct: bool) -> None:
    with (
        capture_logs(),
        Running(tmp_path, sources={"cloudevents": Wordless()}, direct=direct) as running,
        running.connect() as wire,
    ):
        wire.send(binary())
        assert wire.is_over()
