"""Plays faults, one after another, and tells what came of them."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.harness.fault import Fault, Form
from tests.acceptance.harness.kills import kill_again_and_again
from tests.acceptance.harness.oracle import Account
from tests.acceptance.harness.stage import Stage

STORIES: Mapping[str, Callable[[Stage, random.Random], None]] = {
    "kills": kill_again_and_again,
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


def play(fault: Fault, form: Form, folder: Path, seed: int) -> Result:
    """Play one fault.

    Args:
        fault: which.
        form: how much of it.
        folder: where the router's data and configuration go.
        seed: what is drawn by chance follows from it.
    """
    began = time.monotonic()
    with Stage(fault, form, folder, seed) as stage:
        STORIES[fault.what](stage, random.Random(f"{seed}:{fault.name}"))
        stage.settle()
        findings = tuple(stage.oracle.findings())
        return Result(fault.name, time.monotonic() - began, stage.kills, stage.oracle.account(), findings)
