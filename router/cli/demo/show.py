"""The demo on a terminal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from router.cli.demo.story import Journey, Place, Story
from router.cli.deployment import Loaded
from router.store.base import Settlement, State

FRAME = 0.1
"""Seconds between two pictures."""

CHROME = 3
"""Lines of the screen that the live table leaves to what stands above it."""


class Show:
    """Tells a story in tables: a live one while it happens, a whole one at its end."""

    def __init__(self, console: Console, story: Story, data: Path) -> None:
        self._console = console
        self._story = story
        self._data = data

    def open(self, url: str, loaded: Loaded) -> None:
        """Say what runs."""
        rules, targets = len(loaded.deployment.rules), len(loaded.deployment.targets)
        self._console.print(f"[bold]rule-router[/] listens on {url}: {rules} rules, {targets} targets.")
        self._console.print(
            "The clouds' emulators send their samples; the webhooks' receiver answers 503, 503 and 429 "
            "before it works.\n"
        )

    async def watch(self) -> None:
        """Draw what moves until cancelled; nothing where no person watches."""
        if not self._console.is_terminal:
            return
        with Live(console=self._console, transient=True, auto_refresh=False) as live:
            while True:
                # A row may take several lines; what does not fit is cut off below, so the count comes first.
                rows = self._story.lately(max(self._console.height // 2 - CHROME, 3))
                live.update(Group(self._count(), _table(rows)), refresh=True)
                await anyio.sleep(FRAME)

    def close(self) -> None:
        """Show everything, and what it came to."""
        self._console.print(_table(list(self._story.journeys.values())))
        self._console.print(_by_target(self._story))
        for refusal in self._story.refused:
            self._console.print(f"[red]not accepted:[/] {refusal}")
        self._console.print(self._verdict())
        for file in sorted(self._data.rglob("*.jsonl")):
            self._console.print(f"  {_word(file):<12} {file}", highlight=False, soft_wrap=True)
        console_log = self._data / "console.log"
        self._console.print(f"  console log  {console_log}", highlight=False, soft_wrap=True)

    def stay(self, url: str) -> None:
        """Say that the router goes on."""
        self._console.print(
            f"\nStill serving, until Ctrl-C: [bold]router send --url {url} FILE[/]", soft_wrap=True
        )
        self._console.print("What you send is in the audit file, and where your rules send it.")

    def _count(self) -> Text:
        ways = self._story.ways()
        delivered = sum(way is not None and way.state is State.DELIVERED for way in ways)
        return Text(f"{len(self._story.journeys)} events, {delivered} of {len(ways)} deliveries made", "bold")

    def _verdict(self) -> Text:
        if self._story.complete:
            ways = [way for way in self._story.ways() if way is not None]
            retried = sum(_tries(way) > 1 for way in ways)
            told = f"Everything arrived: {len(self._story.journeys)} events, {len(ways)} deliveries"
            return Text(f"{told}, {retried} of them after retries.", "bold green")
        return Text("Not everything arrived. What is missing is kept and tried again.", "bold red")


def _word(file: Path) -> str:
    return "audit file" if "audit" in file.parts else "file"


def _table(journeys: list[Journey]) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("event", overflow="fold", min_width=24, ratio=3)
    table.add_column("rules that matched", overflow="fold", ratio=3)
    table.add_column("where it went", overflow="fold", ratio=4)
    for journey in journeys:
        rules = dict.fromkeys(name for route in journey.record.routes for name in route.rules)
        ways = Text("\n").join(_way(way) for way in journey.ways.items())
        table.add_row(_short(journey.record.event.type), "\n".join(rules) or "none", ways)
    return table


def _short(kind: str) -> str:
    """An event's type without the part that says whose it is to nobody who reads on a terminal."""
    for long, short in (
        ("com.tencentcloud.ci.", "tencent "),
        ("com.baidubce.bos.", "baidu "),
        ("imm:", "imm "),
    ):
        if kind.startswith(long):
            return short + kind.removeprefix(long)
    return kind


def _way(item: tuple[Place, Settlement | None]) -> Text:
    (target, _), way = item
    if way is None:
        return Text(f"{target} …", "dim")
    if way.state is State.DELIVERED:
        tries = _tries(way)
        again = f" at try {tries}" if tries > 1 else ""
        return Text(f"{target} ✓{again}", "yellow" if again else "green")
    if way.state is State.RETRYING:
        status = way.attempt.status if way.attempt else None
        return Text(f"{target} answered {status or 'nothing'}, tried again soon", "yellow")
    return Text(f"{target} dead", "red")


def _tries(way: Settlement) -> int:
    return len(way.tried().attempts)


def _by_target(story: Story) -> RenderableType:
    delivered: Counter[str] = Counter()
    retried: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for journey in story.journeys.values():
        for (name, _), way in journey.ways.items():
            if way is not None and way.state is State.DELIVERED:
                delivered[name] += 1
                retried[name] += _tries(way) > 1
            else:
                missing[name] += 1
    table = Table(header_style="bold", title="By target", title_justify="left")
    table.add_column("target")
    for column in ("delivered", "after retries", "missing"):
        table.add_column(column, justify="right")
    for name in sorted(delivered | missing):
        table.add_row(name, str(delivered[name]), str(retried[name]), str(missing[name]))
    return table
