"""What every source must do, whatever a stranger sends.

    class TestMySource(SourceContract):
        sender = Sender(MySource, settings={"token": "t0p"}, secrets=["t0p"], requests=[...])

`Source` in `router.sources.base` says what each part of a source is for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from router.errors import MessageError
from router.events import json_format
from router.events.received import Received
from router.sources.base import MAX_EVENTS, Answer, Request, Source, Wanted
from router.testing.strategies import strange
from router.testing.watched import Order, watch

SHORT = 1000
"""Characters of a refusal: an answer to a stranger is no place for what he sent."""

_LATER = 60.0
"""Seconds until a sender's second try."""

_inherited = settings(
    deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)


@dataclass(frozen=True, slots=True)
class Sender:
    """A kind of source, and requests as its sender makes them.

    Attributes:
        source: the class that the entry point names.
        requests: some that hold events, and that `settings` let in.
        settings: of a source that verifies its sender, as they stand under `sources:`, without `kind`; None
            for a kind that cannot verify anybody.
        secrets: the texts in them that nobody may see.
        many: makes a request of so many events; None where a request cannot hold several.
        most: how many events one request may hold.
        bodies: bodies that look like this sender's, beside changed ones of `requests`.
    """

    source: type[Source]
    requests: Sequence[Request]
    settings: Mapping[str, Any] | None = None
    secrets: Sequence[str] = ()
    many: Callable[[int], Request] | None = None
    most: int = MAX_EVENTS
    bodies: st.SearchStrategy[bytes] | None = field(default=None, repr=False)

    def open(self) -> Source:
        """A source without settings: it verifies nobody."""
        return self.source()

    def strict(self) -> Source:
        """A source with the settings."""
        return self.source(self.read())

    def read(self, **more: Any) -> Any:
        """The settings, read; `more` beside them."""
        written = {"kind": self.source().kind, **(self.settings or {}), **more}
        return self.source.shape.model_validate(written)


class SourceContract:
    """The tests; a subclass has a `sender`."""

    sender: ClassVar[Sender]

    def test_it_has_a_word_and_places_to_listen_at(self) -> None:
        """Paths begin with `/`, differ, and are not the router's own."""
        source = self.sender.open()
        assert source.kind
        assert source.paths
        assert len(set(source.paths)) == len(source.paths)
        for path in source.paths:
            assert path.startswith("/")
            assert path not in {"/healthz", "/readyz"}
            assert not path.startswith("/api/v1")

    def test_an_unknown_setting_is_refused(self) -> None:
        """A misspelt key must not be passed over."""
        with pytest.raises(ValidationError, match="nonsense"):
            self.sender.read(nonsense=1)

    def test_its_settings_have_a_schema_and_are_equal_when_they_are_read_again(self) -> None:
        """Editors use the schema; a reload asks whether anything is new."""
        assert self.sender.source.shape.model_json_schema().get("additionalProperties") is False
        assert self.sender.read() == self.sender.read()

    def test_it_is_frozen(self) -> None:
        """A source is asked by many requests at once, and keeps nothing of one for another."""
        source = self.sender.open()
        assert not hasattr(source, "__dict__"), "give it __slots__"
        with pytest.raises((AttributeError, TypeError)):
            setattr(source, "kind", "other")  # noqa: B010 (type checkers know that it cannot be done)

    def test_secrets_do_not_show_themselves(self) -> None:
        """Settings and sources stand in logs and errors."""
        read = self.sender.read()
        shown = f"{read!r} {read} {self.sender.strict()!r} {read.model_dump_json()} {read.doubt}"
        assert [secret for secret in self.sender.secrets if secret in shown] == []

    def test_without_settings_everybody_is_let_in(self) -> None:
        """And it says so: the router then listens on loopback only."""
        source = self.sender.open()
        assert not source.verifies
        for request in self.sender.requests:
            source.admit(msgspec.structs.replace(request, headers={}, query=""))

    def test_its_sender_is_let_in(self) -> None:
        """With the settings, the requests are admitted, and hold events."""
        source = self.sender.strict()
        assert source.verifies == (self.sender.settings is not None)
        for request in self.sender.requests:
            source.admit(request)
            received = source.read(request)
            assert received.readings
            _check(received)
            assert 200 <= source.accepted(received).status < 300

    def test_whoever_is_known_by_the_head_is_let_in_without_a_body(self) -> None:
        """With `by_head`, a request is admitted before its body is taken in."""
        source = self.sender.strict()
        if not source.by_head:
            pytest.skip("this kind looks at the body, too")
        for request in self.sender.requests:
            source.admit(msgspec.structs.replace(request, body=b""))

    def test_who_has_another_secret_is_turned_away(self) -> None:
        """The same requests, while the source has other secrets; the refusal says neither these nor those."""
        if self.sender.settings is None:
            pytest.skip("this kind verifies nobody")
        assert self.sender.secrets
        source = self.sender.source(
            self.sender.read(**_with_others(self.sender.settings, self.sender.secrets))
        )
        for request in self.sender.requests:
            with pytest.raises((MessageError, Wanted)) as caught:
                source.admit(request)
            if isinstance(caught.value, MessageError):
                answer = source.refused(caught.value)
                _check_refusal(answer)
                assert [secret for secret in self.sender.secrets if secret.encode() in answer.body] == []

    @_inherited
    @given(st.data())
    def test_strangers_are_turned_away(self, data: st.DataObject) -> None:
        """Nothing is taken of who has no secret, and the refusal says none."""
        if self.sender.settings is None:
            pytest.skip("this kind verifies nobody")
        source = self.sender.strict()
        known = [msgspec.structs.replace(request, headers={}, query="") for request in self.sender.requests]
        request = data.draw(strange(known, self.sender.bodies))
        try:
            source.admit(request)
            source.read(request)
        except Wanted:
            return
        except MessageError as error:
            answer = source.refused(error)
            _check_refusal(answer)
            assert [secret for secret in self.sender.secrets if secret.encode() in answer.body] == []
            return
        pytest.fail("a stranger's request was taken")

    @_inherited
    @given(st.data())
    def test_it_reads_events_or_says_what_is_wrong(self, data: st.DataObject) -> None:
        """Whatever is sent, `read` returns what can be stored, or raises `MessageError`."""
        source = self.sender.open()
        request = data.draw(strange(self.sender.requests, self.sender.bodies))
        try:
            received = source.read(request)
        except MessageError as error:
            assert error.message.isprintable()
            _check_refusal(source.refused(error))
        else:
            _check(received)
            assert 200 <= source.accepted(received).status < 300

    @_inherited
    @given(st.data())
    def test_whatever_is_sent_can_be_kept_and_asked(self, data: st.DataObject) -> None:
        """`redacted` takes any bytes; `greeted` and `kept` any request."""
        source = self.sender.open()
        request = data.draw(strange(self.sender.requests, self.sender.bodies))
        assert isinstance(source.redacted(request.body), bytes)
        assert 200 <= source.kept(request).status < 300
        greeting = source.greeted(msgspec.structs.replace(request, method="OPTIONS"))
        assert greeting is None or 200 <= greeting.status < 500

    def test_a_second_try_holds_the_same_events(self) -> None:
        """Else it could not be told that they are there already: the id is not made of time or chance."""
        source = self.sender.open()
        for request in self.sender.requests:
            first = source.read(request)
            second = source.read(msgspec.structs.replace(request, received=request.received + _LATER))
            assert [_identity(first), *_payloads(first)] == [_identity(second), *_payloads(second)]

    def test_the_events_of_one_request_are_bounded(self) -> None:
        """One with more is refused whole."""
        many = self._many()
        source = self.sender.open()
        assert len(source.read(many(self.sender.most)).readings) == self.sender.most
        with pytest.raises(MessageError) as caught:
            source.read(many(self.sender.most + 1))
        _check_refusal(source.refused(caught.value))

    def test_a_megabyte_of_events_costs_little(self) -> None:
        """While it is read, all other senders wait."""
        many = self._many()
        one = len(many(2).body) - len(many(1).body)
        request = many(1_000_000 // one)
        source = self.sender.open()
        begin = time.process_time()
        with pytest.raises(MessageError):
            source.read(request)
        assert time.process_time() - begin < 1

    @pytest.mark.parametrize(
        "body",
        [
            b'{"specversion":"1.0","id":"1","source":"s","type":"t","%b":[]}' % (b"a" * 900_000),
            b'{"specversion":"1.0","id":"1","source":"s","type":"%b\\n"}' % (b"a" * 900_000),
            b'{"specversion":"%b","id":"1","source":"s","type":"t"}' % (b"1" * 900_000),
            b"a" * 900_000,
            b"{%b" % (b"a" * 900_000),
            b"<%b></b>" % (b"a" * 40_000),
        ],
        ids=["name", "type", "version", "word", "key", "tag"],
    )
    @pytest.mark.parametrize("content_type", ["", "application/cloudevents+json", "x" * 9000])
    def test_a_refusal_is_short_whatever_was_sent(self, body: bytes, content_type: str) -> None:
        """What a stranger sent does not come back to him, or into the log, by the megabyte."""
        source, known = self.sender.open(), self.sender.requests[0]
        headers = {**known.headers, "content-type": content_type} if content_type else known.headers
        try:
            source.read(msgspec.structs.replace(known, body=body, headers=headers))
        except MessageError as error:
            _check_refusal(source.refused(error))

    def test_it_asks_nothing_of_the_operating_system(self) -> None:
        """Neither files nor sockets, nor an import: a source is asked between two turns of the event loop."""
        made = self.sender.source
        found = watch(Order(made.__module__, made.__qualname__, self.sender.requests))
        assert found.touched == []
        assert found.events

    @pytest.mark.parametrize("seconds", [1, 5, 3600])
    def test_who_comes_too_much_is_told_when_to_come_again(self, seconds: int) -> None:
        """Nothing was stored, so it is no success; Retry-After says when (RFC 9110, section 10.2.3)."""
        answer = self.sender.open().overloaded(seconds)
        assert 400 <= answer.status < 600
        assert answer.headers["retry-after"] == str(seconds)
        assert len(answer.body) < SHORT

    def _many(self) -> Callable[[int], Request]:
        if self.sender.many is None:
            pytest.skip("a request of this sender holds one event")
        return self.sender.many


def _check(received: Received) -> None:
    """Whatever was made of a request is events that others can read, and payloads that can be looked into."""
    for reading in received.readings:
        event = reading.event
        back = json_format.decode(json_format.encode(event))
        # A payload may have white space around its value; inside a JSON text nobody can tell.
        data = event.data.strip(b" \t\r\n") if event.data and event.is_json else event.data
        assert back == msgspec.structs.replace(event, data=data)
        event.view()


def _with_others(written: Any, secrets: Sequence[str]) -> Any:
    """Settings as they are written, with other secrets in their places."""
    if isinstance(written, Mapping):
        return {key: _with_others(value, secrets) for key, value in written.items()}
    if isinstance(written, list | tuple):
        return [_with_others(value, secrets) for value in written]
    return f"another-{written[::-1]}" if written in secrets else written


def _check_refusal(answer: Answer) -> None:
    assert 400 <= answer.status < 500
    assert len(answer.body) < SHORT


def _identity(received: Received) -> str:
    return json.dumps(
        [[reading.event.source, reading.event.id, reading.event.type] for reading in received.readings]
    )


def _payloads(received: Received) -> list[bytes | None]:
    return [reading.event.data for reading in received.readings]
