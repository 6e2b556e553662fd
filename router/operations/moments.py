"""Moments as operators read them, and as the store counts them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True, description="A moment (RFC 3339), with its offset from UTC.")]

_MICRO = 1_000_000
_EARLIEST, _LATEST = -62_135_596_800.0, 253_402_300_799.0  # the years 1 to 9999, those of RFC 3339 in UTC


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as a moment in UTC; never later than it was, so that `since` finds it again."""
    seconds = min(max(seconds, _EARLIEST), _LATEST)
    whole = math.floor(seconds)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=math.floor((seconds - whole) * _MICRO))


def seconds_of(when: datetime | None) -> float | None:
    """A moment in seconds since the epoch."""
    return None if when is None else when.timestamp()
