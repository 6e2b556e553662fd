"""What is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.traffic import deployments, processes
from benchmarks.traffic.board import Board
from benchmarks.traffic.deployments import Json, http, many_rules, two_rules
from benchmarks.traffic.load import AHEAD, Hooks, Lines, Progress
from benchmarks.traffic.processes import Process

BATCH = 100

Targets = Callable[[int], Mapping[str, Json]]
"""From the receiver's port to the targets of a router."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where servers run.

    Attributes:
        folder: for their files.
        board, receiver: what has arrived, and the receiver's port.
        archive: what routers begin with.
        cores: for servers.
    """

    folder: Path
    board: Board
    receiver: int
    archive: Path | None
    cores: set[int]


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One of them.

    Attributes:
        name: for options and JSON.
        title: for people.
        module, arguments: what runs, if it is no router; `{target}` is the receiver's first hook, `{folder}`
            a folder.
        rules, targets: what a router runs.
        hooks: where each event arrives at the receiver; none if nobody looks.
        file: where each event becomes a line, in a router's data folder.
        batch: how many events a request brings.
        most: how many events a window has at most.
        ahead: how many events may be sent and not delivered.
        paced_only: it is measured at half load only: that of the variant named here.
    """

    name: str
    title: str
    module: str = ""
    arguments: tuple[str, ...] = ()
    rules: Json = field(default_factory=dict)
    targets: Targets | None = None
    hooks: Sequence[int] = ()
    file: str = ""
    batch: int = 1
    most: int = 100_000
    ahead: int = AHEAD
    paced_only: str = ""

    @contextmanager
    def running(self, around: Surroundings) -> Iterator[Process]:
        """Its server, listening."""
        folder = around.folder / self.name
        if self.targets is not None:
            deployments.write(folder, self.rules, self.targets(around.receiver), around.archive)
            with processes.router(folder, around.cores) as process:
                yield process
            return
        folder.mkdir()
        target = f"http://127.0.0.1:{around.receiver}/0"
        arguments = [one.format(target=target, folder=folder) for one in self.arguments]
        with processes.module(self.module, arguments, folder / "log", around.cores) as process:
            yield process

    def progress(self, around: Surroundings) -> Progress | None:
        """Sees what arrives from now on."""
        if self.file:
            return Lines(around.folder / self.name / "data" / self.file)
        return Hooks(around.board, self.hooks) if self.hooks else None


def _one(port: int) -> Mapping[str, Json]:
    return {"hook": http(port, "0")}


def _file(_port: int) -> Mapping[str, Json]:
    return {"lines": {"file": {"path": "lines.jsonl"}}}


def _five(port: int) -> Mapping[str, Json]:
    return {f"hook-{number}": http(port, str(number)) for number in range(5)}


def _batched(port: int) -> Mapping[str, Json]:
    return {"hook": http(port, "0", batch={"size": BATCH, "linger": "5ms"})}


def _healthy(port: int) -> Mapping[str, Json]:
    return {f"hook-{number}": http(port, str(number)) for number in range(3)}


def _troubled(port: int) -> Mapping[str, Json]:
    paths = ("hanging", "broken", "2")
    return {f"hook-{number}": http(port, path) for number, path in enumerate(paths)}


_BARE = "benchmarks.traffic.bare"

VARIANTS = (
    Variant("bare", "bare limit: queue, answer, post", _BARE, ("{target}",), hooks=(0,)),
    Variant("answer", "bare server that only answers", _BARE),
    Variant(
        "naive",
        "naive: aiosqlite, httpx, a task an event",
        "benchmarks.traffic.naive",
        ("{target}", "{folder}/naive.sqlite"),
        hooks=(0,),
        most=2_000,
        ahead=100,  # as many connections has httpx, whose queue for them slows everything down
    ),
    Variant("http", "router, one HTTP target", rules=two_rules(["hook"]), targets=_one, hooks=(0,)),
    Variant("file", "router, one file target", rules=two_rules(["lines"]), targets=_file, file="lines.jsonl"),
    Variant(
        "fan-out",
        "router, five HTTP targets",
        rules=two_rules([f"hook-{number}" for number in range(5)]),
        targets=_five,
        hooks=range(5),
    ),
    *(
        Variant(
            f"rules-{count}",
            f"router, {count:,} rules, one HTTP target",
            rules=many_rules(count, "hook"),
            targets=_one,
            hooks=(0,),
        )
        for count in deployments.FIELDS
    ),
    Variant(
        "batches",
        f"router, batches of {BATCH} in and out",
        rules=two_rules(["hook"]),
        targets=_batched,
        hooks=(0,),
        batch=BATCH,
    ),
    Variant(
        "healthy",
        "router, three HTTP targets, the third's",
        rules=two_rules([f"hook-{number}" for number in range(3)]),
        targets=_healthy,
        hooks=(0, 1, 2),
    ),
    Variant(
        "troubled",
        "the same, one hanging and one answering 500",
        rules=two_rules([f"hook-{number}" for number in range(3)]),
        targets=_troubled,
        hooks=(2,),
        paced_only="healthy",
    ),
)
