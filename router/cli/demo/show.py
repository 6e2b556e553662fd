"""The demo on a terminal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from router.cli.demo.story import Journey, Story
from router.cli.deployment import Loaded
from router.store.base import Settlement, State

FRAME = 0.1
"""Seconds between two pictures."""

CHROME = 8
"""Lines of the screen that the live table leaves to its head and foot."""


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
            "The clouds' samples come in; the webhooks' receiver answers 503, 503 and 429 before it works.\n"
        )

    async def watch(self) -> None:
        """Draw the newest events until cancelled; nothing where no person watches."""
        if not self._console.is_terminal:
            return
        with Live(console=self._console, transient=True, auto_refresh=False) as live:
            while True:
                newest = list(self._story.journeys.values())[-max(self._console.height - CHROME, 3) :]
                live.update(Group(_table(newest), self._count()), refresh=True)
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

    def stay(self) -> None:
        """Say that the router goes on."""
        self._console.print("\nStill serving; try it: [bold]router send FILE[/]. Ctrl-C ends it.")

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
    for column in ("from", "event", "rules that matched", "where it went"):
        table.add_column(column, overflow="fold")
    for journey in journeys:
        record = journey.record
        rules = dict.fromkeys(name for route in record.routes for name in route.rules)
        ways = Text(", ").join(_way(name, way) for name, way in journey.ways.items())
        table.add_row(record.source, record.event.type, ", ".join(rules) or "none", ways)
    return table


def _way(name: str, way: Settlement | None) -> Text:
    if way is None:
        return Text(f"{name} …", "dim")
    if way.state is State.DELIVERED:
        tries = _tries(way)
        return Text(
            f"{name} ✓" + (f" at try {tries}" if tries > 1 else ""), "green" if tries == 1 else "yellow"
        )
    if way.state is State.RETRYING:
        return Text(f"{name} retrying ({way.attempt.status if way.attempt else '-'})", "yellow")
    return Text(f"{name} dead", "red")


def _tries(way: Settlement) -> int:
    return len(way.tried().attempts)


def _by_target(story: Story) -> RenderableType:
    delivered: Counter[str] = Counter()
    retried: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for journey in story.journeys.values():
        for name, way in journey.ways.items():
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
