"""An untouched chain of many records is verified quickly, and with flat memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

from router.audit.records import ORIGIN, seal
from router.audit.verify import verify
from tests.audit.chains import members

RECORDS = 1_000_000 if os.environ.get("CI") == "true" else 200_000
ALLOWED = 15.0 * RECORDS / 1_000_000
"""Seconds."""


def test_many_records_in_seconds_and_flat_memory(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    path = tmp_path / "audit.jsonl"
    prev = ORIGIN
    with path.open("wb") as file:
        for number in range(1, RECORDS + 1):
            line, prev = seal(number, prev, members(number, "x" * 400))
            file.write(line)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    verdict = verify([path])
    took = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    record_property("tally", f"{RECORDS} records, {took:.1f} s of a core, {grown} KiB more")
    assert (verdict.fault, verdict.last) == (None, RECORDS)
    assert took < ALLOWED
    assert grown < 8_192  # KiB
