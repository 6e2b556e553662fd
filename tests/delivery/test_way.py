"""What a user writes beside a target's kind reaches the engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from router.config.report import Report
from router.config.yaml import read
from router.delivery.engine import Way
from router.delivery.order import OnPoison
from router.delivery.retry import Policy
from router.targets.base import Lingering
from router.targets.registry import installed_kinds
from router.targets.spec import TargetSpec, read_targets
from router.ways import Ways

pytestmark = pytest.mark.anyio


def specs(text: str) -> dict[str, TargetSpec]:
    document, _ = read(f"targets: {{a: {text}}}".encode(), "x.yml")
    report = Report()
    found = read_targets([document], installed_kinds(), {}, report)
    assert report.problems == ()
    return {name: spec for name, spec in found.items() if spec is not None}


async def ways(text: str, tmp_path: Path) -> Way:
    used: dict[str, Way] = {}

    async def use(found: Mapping[str, Way]) -> None:
        used.update(found)

    async with anyio.create_task_group() as group:
        opened = Ways(group, tmp_path, loopback=True)
        await opened.exchange(specs(text), use)
        await opened.close()
    return used["a"]


async def test_all_of_it(tmp_path: Path) -> None:
    way = await ways(
        "{http: {url: 'http://127.0.0.1/', batch: {size: 50, linger: 20ms}}, rate: 90/m, concurrency: 3, "
        "retry: {for: 1h, attempts: 7, first: 2s, most: 1m}, order_by: data.key, on_poison: park}",
        tmp_path,
    )
    assert way.policy == Policy(attempts=7, within=3600.0, first=2.0, most=60.0)
    assert (way.concurrency, way.rate, way.target.batch) == (3, 1.5, 50)
    assert isinstance(way.target, Lingering)
    assert way.target.linger == 0.02
    assert way.order is not None
    assert (way.order.key.text, way.order.on_poison) == ("data.key", OnPoison.PARK)


async def test_what_nobody_says(tmp_path: Path) -> None:
    way = await ways("{http: {url: 'http://127.0.0.1/'}}", tmp_path)
    assert (way.policy, way.concurrency, way.rate, way.order) == (Policy(), 16, None, None)
    blocking = await ways("{log: {}, order_by: subject}", tmp_path)
    assert blocking.order is not None
    assert blocking.order.on_poison is OnPoison.BLOCK
