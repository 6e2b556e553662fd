"""Plays faults, one after another, and tells what came of them."""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired

from tests.acceptance.harness.clocks import jump
from tests.acceptance.harness.disks import spoil, start_read_only
from tests.acceptance.harness.fault import Fault, Form
from tests.acceptance.harness.kills import kill_again_and_again
from tests.acceptance.harness.operators import change_with_a_backlog, reload_again_and_again
from tests.acceptance.harness.oracle import Account
from tests.acceptance.harness.stage import Stage
from tests.acceptance.harness.targets import misbehave, poison, stop_listening

STORIES: Mapping[str, Callable[[Stage, random.Random], None]] = {
    "answers": misbehave,
    "burst": stop_listening,
    "changes": change_with_a_backlog,
    "clock": jump,
    "disk": spoil,
    "kills": kill_again_and_again,
    "poison": poison,
    "read-only-start": start_read_only,
    "reloads": reload_again_and_again,
}
"""What a fault can do, by the word in its file. Each leaves a router running, and its fault over."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one fault.

    Attributes:
        findings: what must not be; empty where all is well.
    """

    fault: str
    seconds: float
    kills: int
    account: Account
    findings: tuple[str, ...]

    def told(self) -> dict[str, object]:
        """As JSON."""
        return dataclasses.asdict(self)


def play(fault: Fault, form: Form, folder: Path, seed: int, deadline: float = math.inf) -> Result:
    """Play one fault.

    Args:
        fault: which.
        form: how much of it.
        folder: where the router's data and configuration go.
        seed: what is drawn by chance follows from it.
        deadline: no round begins after this, on the monotonic clock.
    """
    began = time.monotonic()
    stuck: list[str] = []
    with Stage(fault, form, folder, seed, deadline) as stage:
        try:
            STORIES[fault.what](stage, random.Random(f"{seed}:{fault.name}"))
            stage.settle()
        except (OSError, AssertionError, TimeoutExpired) as error:  # a TimeoutError is an OSError
            stuck = [f"stuck: {error!r}, {stage.last_words()}"]
        stage.read_file()
        account = stage.oracle.account()
        if account.unanswered and not stage.kills:
            stuck.append(f"unanswered: {account.unanswered} events, though nobody killed the router")
        findings = (*stage.oracle.findings(), *stuck)
        return Result(fault.name, time.monotonic() - began, stage.kills, account, findings)
