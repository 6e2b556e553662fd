"""`headers`: filled in for each event, legal whatever the event holds; and the trace that goes with it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.events import Event
from router.events.model import Attribute
from router.targets.base import Delivered, Rejected
from router.targets.fields import LONGEST, FieldError, Templates, is_value
from tests.receiver import Receiver, Request
from tests.targets.sending import EVENT, deliver, faults, message

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def event(data: Any = None, **extensions: Attribute) -> Event:
    return Event(
        id="7",
        source="/cameras/1",
        type="t",
        extensions=extensions,
        data=None if data is None else msgspec.json.encode(data),
    )


async def sent(receiver: Receiver, one: Event, **settings: Any) -> Request:
    assert await deliver({"url": receiver.url} | settings, message(one)) == [Delivered(200)]
    return receiver.requests[-1]


@pytest.mark.anyio
class TestTemplates:
    @pytest.mark.parametrize(
        ("template", "value"),
        [
            ("{{ id }}", "7"),
            ("{{ source }}#{{ data.n }}", "/cameras/1#12"),
            ("{{ data.labels }}", '["a","b"]'),
            ("{{ data.missing }}", ""),
            ("{{ data.padded }}", "x y"),
            ("{{ data.name }}", "bücher"),
            ("{{ '{{' }}", "{{"),
        ],
    )
    async def test_what_arrives(self, receiver: Receiver, template: str, value: str) -> None:
        data = {"n": 12, "labels": ["a", "b"], "padded": " x y\t", "name": "bücher"}
        request = await sent(receiver, event(data), headers={"X-Event": template, "x-team": "moderation"})
        assert request.headers["x-event"] == value
        assert request.headers["x-team"] == "moderation"

    @pytest.mark.parametrize("bad", ["a\r\nx-injected: 1", "a\nb", "a\rb", "a\x00b", "\x7f", "a\n"])
    async def test_nothing_in_an_event_begins_a_header(self, receiver: Receiver, bad: str) -> None:
        settings = {"url": receiver.url, "headers": {"x-name": "by {{ data.name }}"}}
        (outcome,) = await deliver(settings, message(event({"name": bad})))
        assert outcome == Rejected("the header 'x-name' would have a control character in it (a line break?)")
        assert receiver.requests == []

    async def test_what_is_too_long_for_servers_is_not_sent(self, receiver: Receiver) -> None:
        settings = {"url": receiver.url, "headers": {"x-name": "{{ data }}"}}
        longest, longer = (message(event("x" * length)) for length in (LONGEST, LONGEST + 1))
        first, second = await deliver(settings, longest, longer)
        assert first == Delivered(200)
        assert second == Rejected("the header 'x-name' would be 8193 bytes long; at most 8192 are sent")

    async def test_an_expression_that_fails_on_an_event(self, receiver: Receiver) -> None:
        settings = {"url": receiver.url, "headers": {"x-sum": "{{ sum(data) }}"}}
        (outcome,) = await deliver(settings, message(event("no list")))
        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("the header 'x-sum' cannot be made: ")


@given(st.text(max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_filled_in_is_legal_or_refused(text: str) -> None:
    templates = Templates({"x-a": "a{{ data }}b", "x-b": "{{ data }}"})
    try:
        found = templates.fill(event(text))
    except FieldError:
        assert not is_value(text.strip(" \t"))
    else:
        assert found == {"x-a": f"a{text}b", "x-b": text.strip(" \t")}
        assert all(map(is_value, found.values()))


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("{{ hush..b }}", " at character 9"),
        ("{{ id", " at character 1"),
        ("{{ }}", " at character 4"),
        ("a {{ hush(id) }}", " at character 6"),
    ],
)
def test_templates_that_cannot_be_read(value: str, where: str) -> None:
    told = faults({"headers": {"x-a": value}})
    assert f"the value of 'x-a' cannot be read{where}: between {{{{ and }}}} stands JMESPath" in told


def test_a_batch_has_not_one_event() -> None:
    told = faults({"headers": {"x-a": "{{ id }}"}, "batch": {}})
    assert "'x-a' is filled in from one event, and a batch has several" in told


@pytest.mark.anyio
class TestTrace:
    async def test_is_passed_on(self, receiver: Receiver) -> None:
        request = await sent(receiver, event(traceparent=TRACE, tracestate="rojo=1,congo=t61"), format="data")
        assert request.headers["traceparent"] == TRACE
        assert request.headers["tracestate"] == "rojo=1,congo=t61"

    async def test_without_a_state(self, receiver: Receiver) -> None:
        request = await sent(receiver, event(traceparent=TRACE))
        assert request.headers["traceparent"] == TRACE
        assert "tracestate" not in request.headers

    @pytest.mark.parametrize(
        "parent",
        [
            "",
            "x",
            TRACE.upper(),
            TRACE + "\r\nx-injected: 1",
            TRACE + "-more",
            TRACE.replace("00-4", "ff-4"),
            f"00-{'0' * 32}-00f067aa0ba902b7-01",
            f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        ],
    )
    async def test_what_is_no_trace_is_left_out(self, receiver: Receiver, parent: str) -> None:
        request = await sent(receiver, event(traceparent=parent, tracestate="rojo=1"))
        assert not {"traceparent", "tracestate", "x-injected"} & request.headers.keys()

    @pytest.mark.parametrize("state", ["", "a\r\nx-injected: 1", " a=1", "ü=1", "a" * 513, True])
    async def test_so_is_what_is_no_state(self, receiver: Receiver, state: Attribute) -> None:
        request = await sent(receiver, event(traceparent=TRACE, tracestate=state))
        assert request.headers["traceparent"] == TRACE
        assert not {"tracestate", "x-injected"} & request.headers.keys()

    async def test_the_users_own_counts_for_more(self, receiver: Receiver) -> None:
        headers = {"Traceparent": "mine"}
        request = await sent(receiver, event(traceparent=TRACE, tracestate="rojo=1"), headers=headers)
        assert request.headers["traceparent"] == "mine"
        assert "tracestate" not in request.headers

    async def test_an_event_without_one_has_none(self, receiver: Receiver) -> None:
        assert "traceparent" not in (await sent(receiver, EVENT)).headers
