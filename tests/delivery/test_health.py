from __future__ import annotations

import structlog

from router.delivery.health import Health
from router.store.base import Attempt, Settlement, State, delivery_of
from tests.support import record

RECORD = record(1, "a")


def settled(state: State, error: str | None = None) -> Settlement:
    delivery = delivery_of(7, RECORD.routes[0], RECORD)
    return Settlement(
        delivery=delivery, state=state, attempt=Attempt(at=1.0, seconds=0.1, error=error), due=2.0
    )


def test_the_log_is_told_once_when_a_target_begins_to_fail_and_once_when_it_works_again() -> None:
    health = Health()
    with structlog.testing.capture_logs() as said:
        health.look([settled(State.DELIVERED)])
        health.look([settled(State.RETRYING, "503 busy"), settled(State.RETRYING, "503 busy")])
        health.look([settled(State.RETRYING, "503 busy")])
        health.look([settled(State.DELIVERED), settled(State.DELIVERED)])
        health.look([settled(State.RETRYING, "refused")])
    assert [(line["event"], line.get("error")) for line in said] == [
        ("target.failing", "503 busy"),
        ("target.recovered", None),
        ("target.failing", "refused"),
    ]


def test_every_dead_letter_is_told() -> None:
    with structlog.testing.capture_logs() as said:
        Health().look([settled(State.DEAD, "422 no"), settled(State.DEAD, "422 no")])
    assert (
        said
        == [
            {
                "event": "delivery.dead",
                "log_level": "error",
                "delivery": "7-a",
                "target": "a",
                "rules": ("rule",),
                "attempts": 1,
                "error": "422 no",
            }
        ]
        * 2
    )
