"""What reached a file target, for tests whose events come from a client in another language."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from watchfiles import watch


def arrived(file: Path, count: int, timeout: float = 10.0) -> dict[str, dict[str, Any]]:
    """Block until so many lines are there; the events in them, by id.

    Raises:
        AssertionError: there were fewer in time; with those there were.
    """
    deadline = time.monotonic() + timeout
    for _ in watch(file.parent, debounce=50, step=10, rust_timeout=100, yield_on_timeout=True):
        events = _events(file)
        if len(events) >= count or time.monotonic() > deadline:
            break
    assert len(events) >= count, events
    return {event["id"]: event for event in events}


def _events(file: Path) -> list[dict[str, Any]]:
    text = file.read_text() if file.exists() else ""
    return [json.loads(line)["event"] for line in text.splitlines(keepends=True) if line.endswith("\n")]
