"""What an HTTP answer means for a delivery. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from router.targets.base import ANSWER_BYTES, REJECTING, Cause, Delivered, Outcome, Rejected, RetryLater
from router.targets.sender import Reply

MOST_AFTER: Final = 24 * 3600.0
"""A Retry-After beyond a day is taken as a day: nobody means a delivery to sleep for a year."""

REMEDIES: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "it does not take the router's credentials; renew them",
    HTTPStatus.FORBIDDEN: "it does not let the router in; mend credentials or permissions",
    HTTPStatus.NOT_FOUND: "there is nothing at this address; put the right one into `url`",
    HTTPStatus.METHOD_NOT_ALLOWED: "the address takes another `method`; put in the right one",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (
        "the proxy does not take its user and password; mend them under `proxy`"
    ),
    HTTPStatus.GONE: "this address is gone; put the new one into `url`, or drop the target",
}
"""What to do about answers that blame the target's settings (RFC 9110, section 15.5), not the event."""

_SECONDS = re.compile(r"[0-9]+\Z")
_UNPRINTABLE = re.compile(r"[^ -~]+")
_LOCATION_CHARACTERS = 200


def outcome_of(reply: Reply, now: float, reject: frozenset[int] = REJECTING) -> Outcome:
    """What became of the delivery that this answers.

    Args:
        reply: the answer.
        now: seconds since the epoch; a Retry-After date is counted from here.
        reject: the statuses that say that the event is wrong. All other failures may pass.
    """
    status, answer = reply.status, reply.body[:ANSWER_BYTES]
    if 200 <= status < 300:  # noqa: PLR2004 -- a class of status codes (RFC 9110, section 15)
        return Delivered(status, answer)
    if status in reject:
        return Rejected(f"answered {named(status)}", status, answer)
    after = retry_after(reply.headers.get("retry-after"), now)
    return RetryLater(_reason(reply), status, answer, after, _cause(status, after))


def _cause(status: int, after: float | None) -> Cause:
    if status in REMEDIES:
        return Cause.MISDIRECTED
    # RFC 6585, section 4. In a 503 the time is one for that request: others may be served meanwhile.
    if status == HTTPStatus.TOO_MANY_REQUESTS and after is not None:
        return Cause.THROTTLED
    return Cause.PASSING


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
    said = f"answered {named(reply.status)}"
    if (remedy := REMEDIES.get(reply.status)) is not None:
        return f"{said}: {remedy}"
    location = reply.headers.get("location")
    if 300 <= reply.status < 400 and location:  # noqa: PLR2004 -- a class of status codes
        where = _UNPRINTABLE.sub("?", location)[:_LOCATION_CHARACTERS]
        return f"{said}, pointing to {where}; redirects are not followed: put the right address into `url`"
    return said


def named(status: int) -> str:
    """A status with its phrase, where it has one."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
