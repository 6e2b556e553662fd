from __future__ import annotations

from typing import Any

import structlog

from router.delivery.health import REMINDER, Health
from router.store.base import Attempt, Settlement, State, delivery_of
from router.telemetry.quota import LINES, MINUTE
from tests.support import HandClock, record

RECORD = record(1, "a")


def settled(state: State, error: str | None = None) -> Settlement:
    delivery = delivery_of(7, RECORD.routes[0], RECORD)
    attempt = Attempt(at=1.0, seconds=0.1, error=error, answer="no such field")
    return Settlement(delivery=delivery, state=state, attempt=attempt, due=2.0)


def brief(said: list[Any]) -> list[tuple[str, str | None, int, int]]:
    return [(line["event"], line.get("error"), line["failures"], line["seconds"]) for line in said]


def test_the_log_is_told_when_a_target_begins_to_fail_when_the_reason_changes_and_when_it_works_again() -> (
    None
):
    clock = HandClock()
    health = Health(clock)
    with structlog.testing.capture_logs() as said:
        health.look([settled(State.DELIVERED)])
        health.look([settled(State.RETRYING, "503 busy"), settled(State.RETRYING, "503 busy")])
        clock.advance(10)
        health.look([settled(State.RETRYING, "503 busy")])
        health.look([settled(State.RETRYING, "401 token expired")])
        clock.advance(10)
        health.look([settled(State.DELIVERED), settled(State.DELIVERED)])
        health.look([settled(State.RETRYING, "503 busy")])
    assert brief(said) == [
        ("target.failing", "503 busy", 1, 0),
        ("target.failing", "401 token expired", 4, 10),
        ("target.recovered", None, 4, 20),
        ("target.failing", "503 busy", 1, 0),
    ]


def test_a_target_that_goes_on_failing_is_told_of_again_after_a_while() -> None:
    clock = HandClock()
    health = Health(clock)
    with structlog.testing.capture_logs() as said:
        for _ in range(12):
            health.look([settled(State.RETRYING, "refused")])
            clock.advance(REMINDER / 4)
    assert brief(said) == [
        ("target.failing", "refused", 1, 0),
        ("target.failing", "refused", 5, 300),
        ("target.failing", "refused", 9, 600),
    ]


def test_what_is_only_put_off_is_no_failure() -> None:
    delivery = delivery_of(7, RECORD.routes[0], RECORD)
    with structlog.testing.capture_logs() as said:
        Health(HandClock()).look([Settlement(delivery=delivery, state=State.RETRYING, due=2.0)])
    assert said == []


def test_a_target_that_somebody_must_mend_is_told_as_an_error_and_once() -> None:
    clock = HandClock()
    health = Health(clock)
    error = "answered 401 Unauthorized: it does not take the router's credentials; renew them"
    with structlog.testing.capture_logs() as said:
        for _ in range(1000):
            health.misdirected("a", error)
            health.look([settled(State.RETRYING, error)])
        clock.advance(REMINDER)
        health.misdirected("a", error)
        health.look([settled(State.RETRYING, error), settled(State.DELIVERED)])
    assert said == [
        {"event": "target.broken", "log_level": "error", "target": "a", "error": error, "failures": 1},
        {"event": "target.broken", "log_level": "error", "target": "a", "error": error, "failures": 1001},
        {"event": "target.recovered", "log_level": "info", "target": "a", "failures": 1001, "seconds": 300},
    ]


def test_a_dead_letter_is_told_with_what_somebody_needs_to_find_it() -> None:
    with structlog.testing.capture_logs() as said:
        Health(HandClock()).look([settled(State.DEAD, "422 no")])
    assert said == [
        {
            "event": "delivery.dead",
            "log_level": "error",
            "target": "a",
            "error": "422 no",
            "answer": "no such field",
            "rules": ("rule",),
            "type": "test.event",
            "source": "/tests",
            "id": "1",
            "attempts": 1,
            "delivery": "7-a",
        }
    ]


def test_a_hundred_thousand_dead_letters_are_a_few_lines_and_a_count() -> None:
    clock = HandClock()
    health = Health(clock)
    with structlog.testing.capture_logs() as said:
        health.look([settled(State.DEAD, "422 no")] * 100_000)
        health.tell_rest()
        clock.advance(MINUTE)
        health.tell_rest()
        health.tell_rest()
        health.look([settled(State.DEAD, "422 no")])
    lines = [line["event"] for line in said]
    assert lines == ["delivery.dead"] * LINES + ["delivery.dead_left_out", "delivery.dead"]
    assert said[LINES] == {
        "event": "delivery.dead_left_out",
        "log_level": "error",
        "target": "a",
        "count": 100_000 - LINES,
    }
