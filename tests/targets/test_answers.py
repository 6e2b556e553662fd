"""What an HTTP answer means for a delivery."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.targets.answers import MOST_AFTER, REMEDIES, outcome_of, retry_after
from router.targets.base import ANSWER_BYTES, REJECTING, Cause, Delivered, Rejected, RetryLater
from router.targets.sender import Reply

NOW = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()
"""The moment that RFC 9110, section 5.6.7, writes in three ways."""


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_success_is_delivered(status: int) -> None:
    assert outcome_of(Reply(status, {}, b"thanks"), NOW) == Delivered(status, b"thanks")


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_says_that_the_content_is_wrong_is_rejected(status: int) -> None:
    outcome = outcome_of(Reply(status, {"retry-after": "1"}, b"no such field"), NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith(f"answered {status} ")
    assert (outcome.status, outcome.answer) == (status, b"no such field")


@given(st.integers(100, 999))
def test_every_other_status_is_tried_again(status: int) -> None:
    outcome = outcome_of(Reply(status, {}, b""), NOW)
    assert isinstance(outcome, RetryLater) == (status // 100 != 2 and status not in REJECTING)
    assert outcome.status == status


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (101, "answered 101 Switching Protocols"),
        (304, "answered 304 Not Modified"),
        (409, "answered 409 Conflict"),
        (429, "answered 429 Too Many Requests"),
        (500, "answered 500 Internal Server Error"),
        (503, "answered 503 Service Unavailable"),
        (599, "answered 599"),
        (999, "answered 999"),
    ],
)
def test_the_reason_names_the_status(status: int, reason: str) -> None:
    assert outcome_of(Reply(status, {}, b""), NOW) == RetryLater(reason, status)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "answered 401 Unauthorized: it does not take the router's credentials; renew them"),
        (403, "answered 403 Forbidden: it does not let the router in; mend credentials or permissions"),
        (404, "answered 404 Not Found: there is nothing at this address; put the right one into `url`"),
        (405, "answered 405 Method Not Allowed: the address takes another `method`; put in the right one"),
        (410, "answered 410 Gone: this address is gone; put the new one into `url`, or drop the target"),
    ],
)  # fmt: skip
def test_what_blames_the_target_says_what_to_do(status: int, reason: str) -> None:
    assert outcome_of(Reply(status, {}, b"no"), NOW) == RetryLater(
        reason, status, b"no", None, Cause.MISDIRECTED
    )


@given(st.integers(100, 999), st.none() | st.just("7"))
def test_who_is_to_blame(status: int, field: str | None) -> None:
    outcome = outcome_of(Reply(status, {} if field is None else {"retry-after": field}, b""), NOW)
    if isinstance(outcome, RetryLater):
        assert (outcome.cause is Cause.MISDIRECTED) == (status in REMEDIES)
        assert (outcome.cause is Cause.THROTTLED) == (status == 429 and field is not None)


@given(st.integers(300, 599), st.frozensets(st.integers(300, 599)))
def test_the_user_says_which_statuses_are_final(status: int, reject: frozenset[int]) -> None:
    outcome = outcome_of(Reply(status, {"retry-after": "7"}, b""), NOW, reject)
    assert isinstance(outcome, Rejected) == (status in reject)


def test_a_redirect_says_where_it_pointed() -> None:
    outcome = outcome_of(Reply(308, {"location": "https://new.example.com/hook"}, b""), NOW)
    assert outcome == RetryLater(
        "answered 308 Permanent Redirect, pointing to https://new.example.com/hook; "
        "redirects are not followed: put the right address into `url`",
        308,
    )


def test_a_redirects_address_is_neither_endless_nor_able_to_move_a_terminal() -> None:
    outcome = outcome_of(Reply(302, {"location": "/\x1b[2J\r\n" + "x" * 10_000}, b""), NOW)
    assert isinstance(outcome, RetryLater)
    assert outcome.reason.isprintable()
    assert len(outcome.reason) < 400


def test_only_the_beginning_of_an_answer_is_kept() -> None:
    answer = bytes(range(256)) * 100
    for status in (200, 400, 500):
        assert outcome_of(Reply(status, {}, answer), NOW).answer == answer[:ANSWER_BYTES]


@pytest.mark.parametrize("status", [302, 404, 408, 425, 429, 500, 502, 503, 504])
def test_retry_after_is_heard_in_every_answer_that_may_pass(status: int) -> None:
    outcome = outcome_of(Reply(status, {"retry-after": "7"}, b""), NOW)
    assert isinstance(outcome, RetryLater)
    assert outcome.after == 7.0


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 120 ", 120.0),
        ("007", 7.0),
        ("86400", 86_400.0),
        ("86401", MOST_AFTER),
        ("9" * 5000, MOST_AFTER),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun Nov  6 08:50:37 1994", 60.0),
        ("Mon, 07 Nov 1994 08:49:37 GMT", 86_400.0),
        ("Sun, 06 Nov 2094 08:49:37 GMT", MOST_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MOST_AFTER),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1993 08:49:37 GMT", None),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(field: str, seconds: float | None) -> None:
    assert retry_after(field, NOW) == seconds


@pytest.mark.parametrize(
    "field",
    [
        None,
        "",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "0x10",
        "10 seconds",
        "inf",
        "nan",
        "soon",
        "٣",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 99999 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +99999",
    ],
)
def test_rubbish_in_retry_after_is_ignored(field: str | None) -> None:
    assert retry_after(field, NOW) is None


@given(st.text())
def test_no_retry_after_breaks_the_reader(field: str) -> None:
    after = retry_after(field, NOW)
    assert after is None or 0 <= after <= MOST_AFTER


@given(st.integers(1, 86_400))
def test_a_date_means_the_same_as_the_seconds_until_it(seconds: int) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)
    assert retry_after(date, NOW) == retry_after(str(seconds), NOW) == seconds
