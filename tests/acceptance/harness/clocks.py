"""Somebody sets the machine's clock."""

from __future__ import annotations

import random
import time

from tests.acceptance.harness.parts import needed
from tests.acceptance.harness.stage import HTTP_TARGETS, Stage

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
RETRIES = 10
"""Attempts that must be made after each jump: what waits does not wait for an hour."""


def jump(stage: Stage, _: random.Random) -> None:
    """The clock jumps while events wait to be tried again; the steady clock goes on as ever."""
    fault, witness, oracle = stage.fault, stage.witness, stage.oracle
    clock = stage.data.parent / "clock"
    stage.environ = {
        "LD_PRELOAD": needed(LIBRARY)[0],
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    clock.write_text("+0")
    stage.start()
    stage.misbehave(fault.answers)
    for set_ in fault.jumps:
        stage.load.allow(fault.events.of(stage.form))
        oracle.wait_until_promised(oracle.promised + fault.events.of(stage.form) // 2)
        fresh = clock.with_suffix(".new")
        fresh.write_text(f"{set_.to:+d}")
        fresh.rename(clock)
        if set_.restart:
            stage.kill()
            stage.mourn()
            stage.load.give_up()  # an hour later, by the router's clock, a second try is an event of its own
            stage.start()
        _wait_until_it_is_seen(stage, set_.to)
        witness.wait_until_asked(fault.target, witness.asked[fault.target] + RETRIES)
        oracle.wait_until_arrived(HTTP_TARGETS)
    stage.recover()


def _wait_until_it_is_seen(stage: Stage, to: int) -> None:
    """Until the router's own log tells the time as it was set."""
    give_up = time.monotonic() + 30.0
    while abs(stage.reread() - (time.time() + to)) > 60.0:
        assert time.monotonic() < give_up, "the router does not see the clock that was set"
