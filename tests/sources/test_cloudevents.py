from __future__ import annotations

import pytest

from router.errors import MessageError
from router.events import Event
from router.events.received import Received
from router.sources.base import Answer, Request
from router.sources.cloudevents import CloudEventsSettings, CloudEventsSource
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


UNVERSIONED = ONE.replace(b'"specversion":"1.0",', b"")
LENIENT = CloudEventsSource(CloudEventsSettings(kind="cloudevents", strict=False))
DEFAULTED = ("specversion-defaulted",)


def test_it_is_strict_unless_somebody_says_otherwise() -> None:
    headers = {"content-type": "application/cloudevents+json"}
    assert refusal(SOURCE, post(UNVERSIONED, headers=headers)).startswith("specversion: is missing")


@pytest.mark.parametrize(
    ("body", "headers", "query", "notes"),
    [
        (UNVERSIONED, {"content-type": "application/cloudevents+json"}, "", [DEFAULTED]),
        (ONE, {"content-type": "application/cloudevents+json"}, "", [()]),
        (
            b"[" + ONE + b"," + UNVERSIONED + b"," + ONE + b"]",
            {"content-type": "application/cloudevents-batch+json"},
            "",
            [(), DEFAULTED, ()],
        ),
        (b'{"n":1.50}', {"ce-id": "1", "ce-source": "/s", "ce-type": "t"}, "", [DEFAULTED]),
        (b'{"n":1.50}', BINARY, "", [()]),
        (b'{"n":1.50}', {}, "type=t&source=/s&id=1", [()]),
    ],
    ids=["structured", "complete", "batch", "binary", "binary complete", "plain"],
)
def test_lenient_fills_in_a_missing_version_and_notes_it_event_by_event(
    body: bytes, headers: dict[str, str], query: str, notes: list[tuple[str, ...]]
) -> None:
    received = LENIENT.read(post(body, query=query, headers=headers))
    assert [reading.notes for reading in received.readings] == notes
    assert {(event.specversion, event.id, event.data) for event in (r.event for r in received.readings)} == {
        ("1.0", "1", b'{"n":1.50}')
    }


@pytest.mark.parametrize(
    "body",
    [
        ONE.replace(b'"1.0"', b'"0.3"'),
        ONE.replace(b'"1.0"', b'""'),
        UNVERSIONED.replace(b'"id":"1",', b""),
        UNVERSIONED.replace(b'"/s"', b'""'),
        UNVERSIONED.replace(b'"t"', b"1"),
    ],
)
def test_lenient_fills_in_nothing_else(body: bytes) -> None:
    with pytest.raises(MessageError):
        LENIENT.read(post(body, headers={"content-type": "application/cloudevents+json"}))


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


# The validation handshake: HTTP 1.1 Web Hooks for CloudEvents, section 4.


def greeting(**headers: str) -> Answer | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SOURCE.greeted(Request("OPTIONS", "/events", "", named, b"", received=1_790_000_000.0))


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [({}, "*"), ({"webhook_request_rate": "120"}, "120"), ({"webhook_request_rate": "none"}, "*")]
    + [({"webhook_request_rate": rate}, "*") for rate in ("0", "-1", "1.5", "1, 2", "9" * 5000, "\u0661")],
)
def test_who_asks_whether_he_may_send_may(asked: dict[str, str], allowed: str) -> None:
    answer = greeting(webhook_request_origin="events.example.com", **asked)
    assert answer == Answer(
        200,
        headers={
            "allow": "POST",
            "webhook-allowed-origin": "events.example.com",
            "webhook-allowed-rate": allowed,
        },
    )


def test_consent_is_given_in_the_answer_and_a_callback_is_not_even_looked_at() -> None:
    url = "https://stranger.example.com/confirm?key=secret"
    asked = greeting(webhook_request_origin="events.example.com", webhook_request_callback=url)
    assert asked == greeting(webhook_request_origin="events.example.com")


def test_other_options_requests_are_none_of_its_business() -> None:
    assert greeting() is None
    assert greeting(origin="https://example.com", access_control_request_method="POST") is None


@pytest.mark.parametrize("origin", ["", "a b", "a, b", "a\u00e9", "a\r\nset-cookie: x", "x" * 254])
def test_what_is_no_name_gets_no_consent(origin: str) -> None:
    answer = greeting(webhook_request_origin=origin)
    assert answer is not None
    assert answer.status == 400
    assert not [name for name in answer.headers if name.startswith("webhook-")]
