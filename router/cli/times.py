"""Times as people type and read them: RFC 3339 or so long ago, and shown in their own zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import msgspec

from router.config.units import seconds
from router.operations.moments import Moment

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def time_of(text: str, now: datetime) -> datetime:
    """A time as it was typed: RFC 3339 with its offset, or a duration before `now`.

    Raises:
        ValueError: it is none.
    """
    try:
        ago = seconds(text)
    except ValueError:
        return _rfc3339(text, now)
    try:
        found = now - timedelta(seconds=ago)
    except OverflowError:
        found = _EARLIEST
    return max(found, _EARLIEST)


def _rfc3339(text: str, now: datetime) -> datetime:
    example = now.astimezone().isoformat(timespec="seconds")
    try:
        found = msgspec.convert(text, Moment)
    except msgspec.ValidationError as error:
        if "timezone" in str(error):
            offset = now.astimezone().isoformat()[-6:]
            raise ValueError(f"{text!r} has no offset from UTC: write {text}{offset}") from None
        raise ValueError(f"{text!r} is no time: write {example}, or 15m, 2h, 3d for so long ago") from None
    if not _EARLIEST <= found < _LATEST:
        raise ValueError(f"{text!r} is no time that an event could have come in: write {example}")
    return found


def local(when: datetime) -> str:
    """A time in the local zone, with its offset, to the second."""
    return when.astimezone().isoformat(sep=" ", timespec="seconds")


def relative(when: datetime) -> str:
    """A time in the local zone, and how far it is from now.

    >>> from datetime import UTC, datetime, timedelta
    >>> relative(datetime.now(UTC) + timedelta(seconds=90.5)).partition(" (")[2]
    'in 1m30s)'
    """
    left = (when - datetime.now(UTC)).total_seconds()
    if abs(left) < 1:
        return f"{local(when)} (now)"
    return f"{local(when)} ({f'in {_lasting(left)}' if left > 0 else f'{_lasting(-left)} ago'})"


def _lasting(seconds: float) -> str:
    """A duration as it could be typed, in its two greatest units.

    >>> _lasting(59.9), _lasting(3600), _lasting(90061)
    ('59s', '1h', '1d1h')
    """
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    d, h = divmod(hours, 24)
    parts = ((d, "d"), (h, "h"), (m, "m"), (s, "s"))
    first = next((at for at, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    return "".join(f"{amount}{unit}" for amount, unit in parts[first : first + 2] if amount) or "0s"


def exactly(when: datetime) -> str:
    """A time in the local zone with everything that is known of it: it can be typed again."""
    return when.astimezone().isoformat(timespec="microseconds")


class Time(click.ParamType[datetime]):
    """An option that is a time."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """See `click.ParamType.convert`."""
        if isinstance(value, datetime):
            return value
        try:
            return time_of(str(value), datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)


TIME = Time()
