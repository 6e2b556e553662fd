from __future__ import annotations

import pytest

from router.errors import MessageError
from router.events import Event
from router.events.received import Received
from router.sources.cloudevents import CloudEventsSource
from tests.sources.support import error_text, events, post, refusal

SOURCE = CloudEventsSource()
ONE = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1.50}}'
EVENT = Event(id="1", source="/s", type="t", data=b'{"n":1.50}')
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}


def test_it_reads_every_mode_and_holds_all_that_was_sent() -> None:
    structured = SOURCE.read(post(ONE, headers={"content-type": "application/cloudevents+json"}))
    assert [reading.event for reading in structured.readings] == [EVENT]
    assert structured.readings[0].notes == ()
    assert structured.original is None
    batch = post(
        b"[" + ONE + b"," + ONE + b"]", headers={"content-type": "application/cloudevents-batch+json"}
    )
    assert events(SOURCE, batch) == [EVENT, EVENT]
    (binary,) = events(SOURCE, post(b'{"n":1.50}', headers=BINARY))
    assert binary == EVENT
    (plain,) = events(SOURCE, post(b'{"n":1.50}', query="type=t&source=/s&id=1"))
    assert plain.data == EVENT.data


def test_it_is_strict() -> None:
    lenient = ONE.replace(b'"specversion":"1.0",', b"")
    headers = {"content-type": "application/cloudevents+json"}
    assert refusal(SOURCE, post(lenient, headers=headers)).startswith("specversion: is missing")


def test_success_is_202() -> None:
    answer = SOURCE.accepted(Received(()))
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize(
    ("content_type", "status", "message"),
    [
        ("application/cloudevents+json", 400, 'line 1, column 3: a comma before "]", where JSON allows none'),
        ("text/plain", 415, "Content-Type text/plain: with ?type= and ?source= the body is JSON"),
    ],
)
def test_a_refusal_tells_why(content_type: str, status: int, message: str) -> None:
    with pytest.raises(MessageError) as caught:
        SOURCE.read(post(b"[1,]", query="type=t&source=s", headers={"content-type": content_type}))
    answer = SOURCE.refused(caught.value)
    assert answer.status == status
    assert error_text(answer) == message


def test_overload_is_429_with_retry_after() -> None:
    answer = SOURCE.overloaded(7)
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert error_text(answer) == "overloaded; nothing was stored, try again in 7 s"
