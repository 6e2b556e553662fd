"""Routers to measure: their folders, with an archive that is full already."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.traffic.events import GROUPS, PROJECTS, TEAMS, event
from router.clock import SystemClock
from router.events.json_format import decode
from router.store.base import Record
from router.store.ledger import Limits
from router.store.sqlite import SqliteStore

SEGMENT = 4_000_000
"""Bytes of each segment of the archive that was there before: one goes whenever as much has come."""

FIELDS = {10: ("Team", "team-{:02d}", TEAMS), 1_000: ("Group", "group-{:03d}", GROUPS)} | {
    10_000: ("Project", "project-{:04d}", PROJECTS)
}
"""By the number of rules, the field by which they tell events apart: each event matches one of them."""

_AGE = 86_400.0
_PORTION = 500

Json = dict[str, Any]


def two_rules(targets: Sequence[str]) -> Json:
    """One that matches every event, and one that matches none."""
    return {
        "rules": [
            {
                "name": "blocked",
                "match": {"type": "imm:Task:*", "data": {"Suggestion": ["block"]}},
                "targets": list(targets),
            },
            {
                "name": "failed",
                "match": {"type": "imm:Task:*", "data": {"Status": ["Failed"]}},
                "targets": list(targets),
            },
        ]
    }


def many_rules(count: int, target: str) -> Json:
    """So many, of which each event matches one."""
    field, spelling, values = FIELDS[count]
    assert values == count
    return {
        "rules": [
            {
                "name": f"rule-{number}",
                "match": {
                    "type": "imm:Task:*",
                    "data": {"Suggestion": ["block"], field: [spelling.format(number)]},
                },
                "targets": [target],
            }
            for number in range(count)
        ]
    }


def http(port: int, path: str, **settings: Any) -> Json:
    """A target at the receiver, with as many requests under way as the bare server has."""
    return {"http": {"url": f"http://127.0.0.1:{port}/{path}", **settings}, "concurrency": 64}


def write(folder: Path, rules: Json, targets: Mapping[str, Json], archive: Path | None) -> None:
    """Make a deployment, its archive filled with a copy of this one and bound to its size."""
    folder.mkdir()
    settings: Json = {}
    if archive is not None:
        shutil.copytree(archive, folder / "data")
        size = sum(one.stat().st_size for one in (archive / "events").iterdir())
        settings = {"archive": {"most": f"{size}B"}}
    documents = {
        "router.yml": {"sources": {"events": {"kind": "cloudevents"}}, "settings": settings},
        "rules/rules.yml": rules,
        "targets/targets.yml": {"targets": dict(targets)},
    }
    for name, document in documents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(document), "utf-8")


async def fill(folder: Path, events: int) -> None:
    """Make an archive of so many events, in many small segments, a day old."""
    store = SqliteStore(folder, SystemClock(), Limits(bytes=SEGMENT))
    received = time.time() - _AGE
    try:
        for first in range(0, events, _PORTION):
            numbers = range(first, min(first + _PORTION, events))
            records = [
                Record(event=decode(event(number)), source="events", received=received, version="")
                for number in numbers
            ]
            await store.append(records)
    finally:
        await store.close()


def trimmed(log: Path) -> int:
    """How many archived events a router has let go so far."""
    found = 0
    for line in log.read_text("utf-8", "replace").splitlines():
        if '"archive.trimmed"' in line:
            found += int(json.loads(line)["events"])
    return found
