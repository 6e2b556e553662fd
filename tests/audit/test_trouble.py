"""A full disk, and a folder that is removed, under a file target of a running router."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from watchfiles import watch

from router.audit.verify import verify
from tests.client import post
from tests.disk import fill, make_space, mounted
from tests.process import RouterProcess

RULES = """
rules:
  - {name: all, match: {type: t}, targets: [troubled, other]}
targets:
  troubled:
    file: {path: small/audit.jsonl, chain: true}
    retry: {first: 50ms, most: 200ms}
  other:
    file: {path: other.jsonl}
"""

PATIENCE = 20.0


def send(router: RouterProcess, *numbers: int) -> None:
    for number in numbers:
        event = {"specversion": "1.0", "id": str(number), "source": "/s", "type": "t", "data": "x" * 500}
        assert (
            post(f"{router.url}/events", json.dumps(event).encode(), "application/cloudevents+json").status
            == 202
        )


def written(path: Path) -> list[int]:
    text = path.read_text() if path.exists() else ""
    return [int(json.loads(line)["event"]["id"]) for line in text.splitlines()]


def wait_until_written(path: Path, *numbers: int) -> None:
    give_up = time.monotonic() + PATIENCE
    for _ in watch(path.parent, debounce=50, step=10, rust_timeout=100, yield_on_timeout=True):
        if not set(numbers) - set(written(path)):
            return
        assert time.monotonic() < give_up, f"{path} lacks {set(numbers) - set(written(path))}"


def test_a_full_disk_loses_nothing_and_disturbs_nobody(tmp_path: Path) -> None:
    rules, data = tmp_path / "router.yml", tmp_path / "data"
    rules.write_text(RULES)
    data.mkdir()
    audit, other = data / "small" / "audit.jsonl", data / "other.jsonl"
    with mounted(data / "small", "64k") as disk, RouterProcess([rules], data) as router:
        send(router, *range(5))
        wait_until_written(audit, *range(5))
        fill(disk)
        send(router, *range(5, 25))
        wait_until_written(other, *range(25))
        # Its last page has room for four at most, whichever are tried when there is nothing else beside them.
        assert len(written(audit)) < 15, "the disk was not full"
        make_space(disk)
        wait_until_written(audit, *range(25))
        assert router.terminate() == 0
        assert sorted(written(audit)) == list(range(25))
        assert verify([audit]).fault is None
    assert written(other) == list(range(25))


def test_a_removed_folder_is_made_again_and_disturbs_nobody(tmp_path: Path) -> None:
    rules, data = tmp_path / "router.yml", tmp_path / "data"
    rules.write_text(RULES)
    audit, other = data / "small" / "audit.jsonl", data / "other.jsonl"
    with RouterProcess([rules], data) as router:
        send(router, *range(5))
        wait_until_written(audit, *range(5))
        shutil.rmtree(data / "small")
        send(router, *range(5, 10))
        wait_until_written(audit, *range(5, 10))
        router.wait_for_log("file.records_missing")
        assert router.terminate() == 0
    assert written(audit) == list(range(5, 10))
    assert written(other) == list(range(10))
    assert verify([audit], first=6).fault is None  # what was removed, the chain misses
    assert verify([audit]).fault is not None
