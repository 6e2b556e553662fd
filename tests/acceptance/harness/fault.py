"""Faults as data: what the files in `tests/acceptance/faults` say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from tests.acceptance.harness.witness import Manner

FOLDER = Path(__file__).parents[1] / "faults"

Form = Literal["short", "long"]


class Much(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often or how many, in each form of the run."""

    short: int = 1
    long: int = 1

    def of(self, form: Form) -> int:
        """In this form."""
        return self.short if form == "short" else self.long


class Jump(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine's clock is set.

    Attributes:
        to: so many seconds off the right time.
        restart: and the router is killed and started again.
    """

    to: int
    restart: bool = False


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of trouble.

    Attributes:
        why: what could go wrong there, for people.
        what: which of the `harness.run.STORIES`.
        when: the moment of it.
        rounds: how often.
        events: how many are sent in each round.
        target: whose fault it is.
        answers: what that target says meanwhile, in turn.
        requests: the fault ends after that target got so many.
        targets: settings of targets that differ from the usual ones.
        settings: as in `router.yml`.
        disk: the size of the data folder's own disk.
        errno: the number of the error that the operating system reports,
        calls: from these calls, in libfiu's names.
        jumps: how the clock is set.
        poison: every so many events one is wrong.
        says: words of the reason that /readyz or the log must give.
    """

    name: str
    why: str
    what: str
    when: str = ""
    rounds: Much = Much()
    events: Much = Much(300, 2_000)
    target: str = "hook"
    answers: list[Manner] = []
    requests: Much = Much(60, 600)
    targets: Mapping[str, Mapping[str, Any]] = {}
    settings: Mapping[str, Any] = {}
    disk: str = ""
    errno: int = 0
    calls: list[str] = []
    jumps: list[Jump] = []
    poison: int = 0
    says: str = ""


def all_faults() -> list[Fault]:
    """Those of all files, in order of files."""
    found: list[Fault] = []
    for file in sorted(FOLDER.glob("*.yml")):
        found += msgspec.convert(yaml.safe_load(file.read_bytes()), list[Fault])
    return found
