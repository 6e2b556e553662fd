"""TestEventPattern: would this pattern match this event? Nothing is stored."""

from __future__ import annotations

import msgspec

from router.events import EventError
from router.patterns import PatternError, parse, read
from router.sources.aws_protocol import AwsError, constraint, decoded, invalid

REQUIRED = ("id", "account", "source", "time", "region", "detail-type")
"""What an event must have. AWS's document adds `resources`; AWS itself does without."""


class _Call(msgspec.Struct, rename="pascal"):
    event_pattern: str | None = None
    event: str | None = None


_CALL = msgspec.json.Decoder(_Call)
_HAS = {name: parse({name: [{"exists": True}]}) for name in REQUIRED}


def test(body: bytes) -> bool:
    """The answer to a call.

    Raises:
        AwsError: the pattern is no pattern, the event is no event, or the call is not readable.
    """
    call = decoded(_CALL, body)
    if call.event_pattern is None:
        raise constraint("eventPattern", "Member must not be null")
    if call.event is None:
        raise constraint("event", "Member must not be null")
    try:
        pattern = parse(call.event_pattern)
    except PatternError as error:
        raise AwsError("InvalidEventPatternException", error.message) from None
    try:
        event = read(call.event)
        matches = pattern.matches_fields(event)
    except EventError as error:
        raise _no_event(error.message) from None
    if lacking := [name for name, has in _HAS.items() if not has.matches_fields(event)]:
        raise _no_event(f"{', '.join(REQUIRED)} are required; it has no {', '.join(lacking)}.")
    return matches


def _no_event(reason: str) -> AwsError:
    return invalid(f"Parameter Event is not valid. Reason: {reason}")
