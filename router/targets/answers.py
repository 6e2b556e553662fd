"""What an HTTP answer means for a delivery. Pure."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from router.targets.base import ANSWER_BYTES, Delivered, Outcome, Rejected, RetryLater
from router.targets.sender import Reply

MOST_AFTER: Final = 24 * 3600.0
"""A Retry-After beyond a day is taken as a day: nobody means a delivery to sleep for a year."""

REJECTING: Final = frozenset({400, 413, 415, 422})
"""These say that the content is wrong (RFC 9110, section 15.5). Every other failure may pass: a route
that is not there yet (404), credentials that somebody is about to renew (401, 403), a crash (5xx)."""

_SECONDS = re.compile(r"[0-9]+\Z")
_UNPRINTABLE = re.compile(r"[^ -~]+")
_LOCATION_CHARACTERS = 200


def outcome_of(reply: Reply, now: float) -> Outcome:
    """What became of the delivery that this answers.

    Args:
        reply: the answer.
        now: seconds since the epoch; a Retry-After date is counted from here.
    """
    status, answer = reply.status, reply.body[:ANSWER_BYTES]
    if 200 <= status < 300:  # noqa: PLR2004 -- a class of status codes (RFC 9110, section 15)
        return Delivered(status, answer)
    if status in REJECTING:
        return Rejected(f"answered {_named(status)}", status, answer)
    after = retry_after(reply.headers.get("retry-after"), now)
    return RetryLater(_reason(reply), status, answer, after)


def retry_after(field: str | None, now: float) -> float | None:
    """Seconds to wait according to a Retry-After field (RFC 9110, section 10.2.3): seconds or an HTTP date.

    None where there is none, where it cannot be read, and where its date has passed.
    """
    if field is None:
        return None
    text = field.strip()
    if _SECONDS.match(text):
        return min(float(text), MOST_AFTER)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    # asctime-date (RFC 9110, section 5.6.7) names no zone and means UTC.
    left = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    return min(left, MOST_AFTER) if left > 0 else None


def _reason(reply: Reply) -> str:
    said = f"answered {_named(reply.status)}"
    location = reply.headers.get("location")
    if 300 <= reply.status < 400 and location:  # noqa: PLR2004 -- a class of status codes
        where = _UNPRINTABLE.sub("?", location)[:_LOCATION_CHARACTERS]
        return f"{said}, pointing to {where}; redirects are not followed: put the right address into `url`"
    return said


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
