"""Targets that behave badly, stop, or refuse events for good."""

from __future__ import annotations

import random

from tests.acceptance.harness.oracle import ORDERED
from tests.acceptance.harness.stage import FREE, HTTP_TARGETS, Stage


def misbehave(stage: Stage, _: random.Random) -> None:
    """One target answers as the fault has it; the others get all they are owed meanwhile."""
    fault, witness, oracle = stage.fault, stage.witness, stage.oracle
    stage.start()
    for _round in stage.rounds():
        stage.misbehave(fault.answers)
        before = witness.asked[fault.target]
        stage.send_all()
        oracle.wait_until_arrived([target for target in HTTP_TARGETS if target not in stage.troubled])
        witness.wait_until_asked(fault.target, before + fault.requests.of(stage.form))
        stage.recover()


def stop_listening(stage: Stage, _: random.Random) -> None:
    """No target listens while a burst comes in."""
    stage.start()
    stage.witness.stop()
    stage.send_all()
    stage.witness.start()


def poison(stage: Stage, _: random.Random) -> None:
    """Some events are refused for good: these are dead letters, and no others; cured, they are redriven.

    Of a key, those after a dead letter are dead letters as well, or wait for it, as the fault has it.
    """
    blocks = stage.fault.when == "block"
    stage.start()
    stage.send_all()
    stage.load.stop()
    stage.oracle.wait_until_arrived(HTTP_TARGETS)
    stage.wait_until_waiting({ORDERED: stage.oracle.held_up} if blocks else {})
    dead = stage.bury()
    for finding in stage.oracle.findings(FREE if blocks else HTTP_TARGETS):  # files are read at the end
        stage.oracle.complain("before the cure", finding)
    stage.oracle.cure()
    redriven = stage.change("redrive", state=["dead"])
    if redriven != dead:
        stage.oracle.complain("redrive", f"{redriven} of {dead} dead letters")
