"""A target that fails, asks for time, and recovers; and a router that is killed meanwhile."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from tests.client import post
from tests.process import RouterProcess
from tests.receiver import Answer, Receiver, Request

FIRST = 0.4
"""The policy's first wait, in seconds."""

SLACK = 1.5
"""How late a busy machine may be, in seconds."""

RULES = """
rules:
  - {name: all, match: {type: "*"}, targets: [hook]}
targets:
  hook:
    http: {url: "%(url)s/hook"}
    retry: {first: 400ms, most: 10s}
"""

EVENT = {"specversion": "1.0", "id": "1", "source": "/tests", "type": "test.event", "data": {"n": 1}}

TROUBLE = (Answer(500), Answer(500), Answer(500), Answer(429, {"Retry-After": "1"}))


@pytest.fixture
def rules(receiver: Receiver, tmp_path: Path) -> Path:
    file = tmp_path / "router.yml"
    file.write_text(RULES % {"url": receiver.url})
    return file


def send(router: RouterProcess) -> None:
    body = json.dumps(EVENT).encode()
    assert post(f"{router.url}/events", body, "application/cloudevents+json").status == 202


def is_one_delivery(requests: list[Request]) -> None:
    assert len({request.body for request in requests}) == 1
    assert len({request.headers["idempotency-key"] for request in requests}) == 1
    assert {request.headers["webhook-id"] for request in requests} == {requests[0].headers["idempotency-key"]}


def test_it_arrives_once_and_at_the_right_times(receiver: Receiver, rules: Path, tmp_path: Path) -> None:
    receiver.script(*TROUBLE)
    with RouterProcess([rules], tmp_path / "data") as router:
        send(router)
        requests = receiver.wait_for(5, timeout=30)
        assert router.terminate() == 0
    assert len(receiver.requests) == 5
    is_one_delivery(requests)
    waits = [later.at - sooner.at for sooner, later in pairwise(requests)]
    for attempt, wait in enumerate(waits, 1):
        assert wait <= FIRST * 2 ** (attempt - 1) + SLACK + (1.0 if attempt == 4 else 0.0)
    assert waits[3] >= 1.0  # as the receiver asked


def written(data: Path) -> int:
    """How many attempts the store knows of."""
    with contextlib.closing(sqlite3.connect(data / "deliveries.sqlite")) as store:
        row = store.execute("SELECT attempts FROM exceptions").fetchone()
    return len(msgspec.msgpack.decode(row[0])) if row else 0


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_kill_while_it_waits_changes_nothing_but_the_time(
    after: int, receiver: Receiver, rules: Path, tmp_path: Path
) -> None:
    receiver.script(*TROUBLE)
    data = tmp_path / "data"
    with RouterProcess([rules], data) as router:
        send(router)
        receiver.wait_for(after, timeout=30)
        give_up = time.monotonic() + 10
        while written(data) < after:
            assert time.monotonic() < give_up
        router.kill()
    with RouterProcess([rules], data) as router:
        requests = receiver.wait_for(5, timeout=30)
        assert router.terminate() == 0
    assert len(receiver.requests) == 5
    is_one_delivery(requests)
    assert requests[4].at - requests[3].at >= 1.0  # what the receiver asked for outlives the process it asked


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_kill_before_the_answer_is_written_costs_no_more_than_another_attempt(
    after: int, receiver: Receiver, rules: Path, tmp_path: Path
) -> None:
    receiver.script(*TROUBLE)
    with RouterProcess([rules], tmp_path / "data") as router:
        send(router)
        receiver.wait_for(after, timeout=30)
        router.kill()
    with RouterProcess([rules], tmp_path / "data") as router:
        requests = receiver.wait_for(5, timeout=30)
        assert router.terminate() == 0
    assert len(receiver.requests) == 5
    is_one_delivery(requests)


def test_a_target_that_is_away_for_a_while_gets_it_when_it_is_back(
    receiver: Receiver, rules: Path, tmp_path: Path
) -> None:
    receiver.stop()
    with RouterProcess([rules], tmp_path / "data") as router:
        send(router)
        router.terminate()
    receiver.start()
    with RouterProcess([rules], tmp_path / "data"):
        (request,) = receiver.wait_for(1, timeout=30)
    assert json.loads(request.body) == EVENT
