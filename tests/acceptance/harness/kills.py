"""SIGKILL at each step of an event's way. Nothing is timed: each follows from something that was seen."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Mapping

from tests.acceptance.harness.connection import Connection
from tests.acceptance.harness.oracle import ORDERED
from tests.acceptance.harness.stage import HTTP_TARGETS, Stage
from tests.acceptance.harness.witness import Trap

MORE = 500
"""So many events are sent after that moment was prepared, however fast all others were."""

BACKLOG = 5_000
"""A round begins when no more arrivals are missing."""


def kill_again_and_again(stage: Stage, chance: random.Random) -> None:
    """Load, kill at the fault's moment, start again; so many rounds."""
    events = stage.fault.events.of(stage.form)
    moment = MOMENTS[stage.fault.when]
    if stage.fault.answers:
        stage.misbehave(stage.fault.answers)
    for _ in stage.rounds():
        stage.start()
        stage.oracle.wait_until_arrived(HTTP_TARGETS, most=BACKLOG)
        at = stage.oracle.promised + chance.randrange(events // 4, events // 2)
        asked = stage.witness.asked[ORDERED] + chance.randrange(events // 20, events // 5)
        stage.load.allow(events)
        stage.witness.wait_until_asked(ORDERED, asked)
        moment(stage, at, chance)
        stage.mourn()
    stage.recover()
    stage.start()


def _while_it_reads(stage: Stage, at: int, _: random.Random) -> None:
    """The router has asked for the body (100 Continue), and got a half of it."""
    stage.oracle.wait_until_promised(at)
    numbers = stage.oracle.issue()
    body = stage.oracle.envelope(numbers[0])
    with contextlib.closing(Connection(stage.router.url)) as connection:
        kind = "application/cloudevents+json"
        connection.socket.sendall(connection.head(len(body), kind, "expect: 100-continue"))
        if (status := connection.status()) != 100:
            stage.oracle.complain("answers", f"{status} to Expect: 100-continue")
        connection.socket.sendall(body[: len(body) // 2])
        stage.oracle.refuse(numbers)  # nobody has ever seen the whole of it
        stage.kill()


def _while_it_commits(stage: Stage, at: int, _: random.Random) -> None:
    """A request is with the router, whole, and others are; none of these is answered."""
    stage.oracle.wait_until_promised(at)
    stage.load.when_sent = stage.kill
    stage.load.allow(MORE)


def _as_it_has_answered(stage: Stage, at: int, _: random.Random) -> None:
    """A sender has its answer, just now."""
    stage.oracle.wait_until_promised(at)
    stage.load.when_accepted = stage.kill
    stage.load.allow(MORE)


def _trapped(moment: str) -> Callable[[Stage, int, random.Random], None]:
    def spring(stage: Stage, at: int, chance: random.Random) -> None:
        stage.oracle.wait_until_promised(at)
        target = chance.choice(["", ORDERED])
        stage.witness.set_trap(Trap(moment, chance.randrange(1, 10), stage.kill, target))
        stage.load.allow(MORE)

    return spring


MOMENTS: Mapping[str, Callable[[Stage, int, random.Random], None]] = {
    "accept": _while_it_reads,
    "commit": _while_it_commits,
    "answer": _as_it_has_answered,
    "dispatch": _trapped("dispatch"),
    "answered": _trapped("answered"),
    "settling": _trapped("settling"),
}
"""When it is killed, by the word in the fault."""
