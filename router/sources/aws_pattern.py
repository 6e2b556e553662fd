"""TestEventPattern: would this pattern match this event? Nothing is stored."""

from __future__ import annotations

import msgspec

from router.events import EventError
from router.patterns import PatternError, parse
from router.sources.aws_protocol import AwsError, constraint, decoded, invalid

REQUIRED = ("id", "account", "source", "time", "region", "detail-type")
"""What an event must have. AWS's document adds `resources`; AWS itself does without."""


class _Call(msgspec.Struct, rename="pascal"):
    event_pattern: str | None = None
    event: str | None = None


_CALL = msgspec.json.Decoder(_Call)
_EVENT = msgspec.json.Decoder(dict[str, msgspec.Raw])


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
        matches = pattern.matches(call.event)
        members = _EVENT.decode(call.event)
    except (EventError, msgspec.MsgspecError) as error:
        raise _no_event(str(error)) from None
    if lacking := [name for name in REQUIRED if name not in members]:
        raise _no_event(f"{', '.join(REQUIRED)} are required; it has no {', '.join(lacking)}.")
    return matches


def _no_event(reason: str) -> AwsError:
    return invalid(f"Parameter Event is not valid. Reason: {reason}")
