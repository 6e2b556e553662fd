"""TestEventPattern, as the answers of AWS itself have it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.sources import aws_pattern
from router.sources.aws_protocol import AwsError
from tests.sources.aws import EVENT


def asked(pattern: Any, event: Any = EVENT) -> bytes:
    return json.dumps(
        {"EventPattern": pattern, "Event": event if type(event) is str else json.dumps(event)}
    ).encode()


@pytest.mark.parametrize(
    ("pattern", "result"),
    [
        ('{"source": ["order"], "detail-type": ["Test"]}', True),
        ('{"source": ["shipment"]}', False),
        ('{"source": [{"prefix": "or"}], "detail": {"n": [{"numeric": [">", 1]}]}}', True),
        ('{"detail": {"n": [{"exists": false}]}}', False),
    ],
)
def test_a_pattern_is_asked(pattern: str, result: bool) -> None:
    assert aws_pattern.test(asked(pattern, {**EVENT, "detail": {"n": 2}})) is result


@pytest.mark.parametrize("depth", [999, 1001])
def test_an_event_may_nest_as_deep_as_patterns_see(depth: int) -> None:
    event = json.dumps(EVENT)[:-1] + ', "detail":' + '{"a":' * (depth - 1) + "1" + "}" * depth
    if depth > 1000:
        assert refused(asked('{"source": ["order"]}', event))[0] == "ValidationException"
    else:
        assert aws_pattern.test(asked('{"source": ["order"]}', event))


def refused(body: bytes) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        aws_pattern.test(body)
    return caught.value.code, caught.value.message


def test_a_pattern_that_is_none_is_refused_in_aws_words() -> None:
    code, message = refused(asked('{"source": "order"}'))
    assert code == "InvalidEventPatternException"
    assert message.startswith(
        'Event pattern is not valid. Reason: "source" must be an object or an array\n at [Source:'
    )
    code, message = refused(asked('{"source": [{"Prefix": "a"}]}'))
    assert (code, message.splitlines()[0]) == (
        "InvalidEventPatternException",
        "Event pattern is not valid. Reason: Unrecognized match type Prefix",
    )


@pytest.mark.parametrize("name", aws_pattern.REQUIRED)
def test_an_event_lacks_nothing_that_aws_asks_for(name: str) -> None:
    event = {member: value for member, value in EVENT.items() if member != name}
    code, message = refused(asked('{"source": ["order"]}', event))
    assert code == "ValidationException"
    assert message == (
        "Parameter Event is not valid. Reason: "
        f"id, account, source, time, region, detail-type are required; it has no {name}."
    )


@pytest.mark.parametrize("event", ["", "[]", '"text"', '{"id": 01}'])
def test_an_event_is_an_object(event: str) -> None:
    code, message = refused(asked('{"source": ["order"]}', event))
    assert code == "ValidationException"
    assert message.startswith("Parameter Event is not valid. Reason: ")


def test_both_members_are_required() -> None:
    for member, name in (("Event", "eventPattern"), ("EventPattern", "event")):
        code, message = refused(json.dumps({member: "{}"}).encode())
        assert code == "ValidationException"
        assert f"Value at '{name}' failed to satisfy constraint: Member must not be null" in message
