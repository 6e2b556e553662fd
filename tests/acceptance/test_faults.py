"""Every fault of `faults/*.yml`, in its short form: what was acknowledged arrives, in order, and no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.harness.fault import Fault, all_faults
from tests.acceptance.harness.run import play

SEED = 20_261_122


@pytest.mark.parametrize("fault", all_faults(), ids=lambda fault: fault.name)
def test_fault(fault: Fault, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    result = play(fault, "short", tmp_path, SEED)
    record_property("tally", result.told())
    assert not result.findings, result
