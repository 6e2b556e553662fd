"""SIGKILL at random moments under load: every record is there once and only once, in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.kills import run


def test_every_record_is_there_once_and_in_order(
    tmp_path: Path, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(tmp_path, 8, seed=20_261_122)
    record_property("tally", str(result))
    with capsys.disabled():
        print(f"\n{result}")  # noqa: T201 -- the tally is what this test is run for
    assert result.accepted > 500
    for found in (result.chained, result.plain):
        assert (found.missing, found.doubled, found.disordered) == (0, 0, 0)
    assert result.verdict.fault is None
    assert result.verdict.covered > result.verdict.last // 2
