"""What is made to be expensive costs next to nothing, in time and in memory, whichever source gets it."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from router.main import SOURCES
from tests.process import RouterProcess
from tests.sources.weighed import ADDRESSES, CARRIERS, JSON, XML, most_held

WEIGHED = Path(__file__).with_name("weighed.py")

ENOUGH = 0.05
"""Seconds of processor time for one request."""

ROOM = 64_000
"""Kilobytes that a process may grow by: some dozen times what one body may hold."""

READ = {"cloudevents", "alibaba", "openapi"}
"""Kinds whose senders may send any text at all as an event's payload, which then is text and nothing else."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What `weighed.py` found.

    Attributes:
        costs: for each kind and bomb, what became of it and its seconds; one for each address.
    """

    costs: Mapping[tuple[str, str], tuple[tuple[str, float], ...]]
    kilobytes: int


@pytest.fixture(scope="module")
def weighed() -> Weighed:
    command = [sys.executable, str(WEIGHED), str(ENOUGH)]
    done = subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[2])
    said = json.loads(done.stdout)
    costs: dict[tuple[str, str], tuple[tuple[str, float], ...]] = {}
    for kind, name, outcome, seconds in said["found"]:
        costs[kind, name] = (*costs.get((kind, name), ()), (outcome, seconds))
    return Weighed(costs, said["kilobytes"])


@pytest.mark.parametrize("kind", SOURCES)
def test_each_takes_next_to_no_time(weighed: Weighed, kind: str) -> None:
    own = {name: cost for (whose, name), cost in weighed.costs.items() if whose == kind}
    assert len(own) == len(XML) + len(JSON) * (1 + len(CARRIERS[kind]))
    slow = {name: cost for name, cost in own.items() if any(seconds >= ENOUGH for _, seconds in cost)}
    assert slow == {}


def test_all_of_them_leave_the_process_as_it_was(weighed: Weighed) -> None:
    assert weighed.kilobytes < ROOM


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("name", XML)
def test_no_such_xml_is_read(weighed: Weighed, kind: str, name: str) -> None:
    assert {outcome for outcome, _ in weighed.costs[kind, f"XML: {name}"]} == {"refused"}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("name", [name for name in JSON if name.startswith("depth")])
def test_no_such_depth_is_read(weighed: Weighed, kind: str, name: str) -> None:
    outcomes = {
        place: {outcome for outcome, _ in weighed.costs[kind, f"JSON: {name} as {place}"]}
        for place in ("body", *CARRIERS[kind])
    }
    as_text = {"data_base64", "content", "message", "form of entries"}  # where any text may stand
    assert {place for place, found in outcomes.items() if "read" in found} <= (
        as_text if kind in READ else set()
    )


HUGE = 100_000_000
"""Bytes of a body that nobody is to hold."""


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    folder = tmp_path_factory.mktemp("bombs")
    rules = folder / "rules.yml"
    rules.write_text(
        'rules: [{name: all, match: {type: "*"}, targets: [console]}]\ntargets: {console: {log: {}}}\n'
    )
    with RouterProcess([rules], folder / "data", heard=False) as running:
        yield running


def spent(process: RouterProcess) -> float:
    """The seconds of processor time it has had (proc(5), `stat`)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stream(
    process: RouterProcess, address: tuple[str, str, Mapping[str, str]], framing: str
) -> tuple[int, int]:
    """Send a body without end until somebody objects; the status, and how many bytes were sent by then."""
    path, query, headers = address
    host = urlsplit(process.url)
    fields = {"host": host.netloc, **headers} | dict([framing.split(": ")])
    head = f"POST {path}{'?' * bool(query)}{query} HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in fields.items()
    )
    piece = b" " * 0x10000
    if framing.startswith("transfer"):
        piece = b"10000\r\n%b\r\n" % piece
    sent = 0
    with socket.create_connection((host.hostname or "", host.port or 0), timeout=10) as wire:
        wire.sendall(head.encode() + b"\r\n")
        while sent < HUGE and not select.select([wire], [], [], 0)[0]:
            sent += wire.send(piece)
        return int(wire.makefile("rb").readline().split()[1]), sent


@pytest.mark.parametrize("framing", [f"content-length: {HUGE}", "transfer-encoding: chunked"])
@pytest.mark.parametrize("kind", SOURCES)
def test_a_body_of_a_hundred_megabytes_is_refused_before_it_is_there(
    router: RouterProcess, kind: str, framing: str
) -> None:
    address = ADDRESSES[kind][0]
    stream(router, address, framing)  # what the first such request imports and allocates is not its own cost
    held, begin, tries = most_held(router.pid), spent(router), 4
    answers = Counter[int]()
    for _ in range(tries):
        status, sent = stream(router, address, framing)
        answers[status] += 1
        assert sent < HUGE / 4
    assert answers == {413: tries}
    assert (spent(router) - begin) / tries < ENOUGH
    assert most_held(router.pid) - held < ROOM / 4
