from __future__ import annotations

import os
import threading
from contextlib import closing
from io import StringIO, TextIOWrapper

import pytest

from router.telemetry import pump
from router.telemetry.pump import Pump


class Gated(StringIO):
    """A stream whose reader stalls until the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.reached = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.gate.wait(10)
        return super().write(text)


def test_lines_come_out_in_order() -> None:
    stream = StringIO()
    with closing(Pump(stream)) as out:
        for number in range(100):
            out.write(f"{number}\n")
    assert stream.getvalue().splitlines() == [str(number) for number in range(100)]


def test_a_stalled_reader_stalls_nobody_and_what_was_left_out_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pump, "MOST_LINES", 3)
    stream = Gated()
    with closing(Pump(stream)) as out:
        out.write("first\n")
        assert stream.reached.wait(10)
        for number in range(10):
            out.write(f"{number}\n")
        stream.gate.set()
    told = stream.getvalue().splitlines()
    assert told[:2] == ["first", "0"]
    assert '{"level":"warning","event":"log.left_out","lines":7}' in told


def test_a_broken_stream_costs_lines_only() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = TextIOWrapper(os.fdopen(writing, "wb", buffering=0), write_through=True)
    with closing(Pump(stream)) as out:
        out.write("nobody hears this\n")
    stream.detach().close()


def test_it_is_what_the_stream_is() -> None:
    with closing(Pump(StringIO())) as out:
        assert not out.isatty()
        out.flush()
