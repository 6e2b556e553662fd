"""What the routing benchmark measures with: events that count, intervals that hold, loads that arrive."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.traffic import deployments, processes
from benchmarks.traffic.bars import draw
from benchmarks.traffic.board import CAPACITY, board
from benchmarks.traffic.disk import fdatasync
from benchmarks.traffic.events import NUMBER, SIZE, event, request
from benchmarks.traffic.intervals import interval, quantile
from benchmarks.traffic.load import Hooks, Lines, Load, StalledError
from benchmarks.traffic.processes import UnstartedError
from benchmarks.traffic.race import Measured, Race, Window
from benchmarks.traffic.report import bounds, half, sustained
from benchmarks.traffic.variants import VARIANTS, Surroundings, Variant
from benchmarks.traffic.verdicts import backlog, verdicts
from router.cli.deployment import load
from router.events import Event
from router.events.http import decode_request

BY_NAME = {variant.name: variant for variant in VARIANTS}


# -- events --------------------------------------------------------------------------------------------------


def decoded(raw: bytes) -> tuple[Event, ...]:
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert int(fields[b"content-length"]) == len(body)
    return decode_request({"content-type": fields[b"content-type"].decode()}, body)


@given(st.integers(0, 10**12 - 1))
def test_an_event_is_a_kilobyte_and_has_its_number(number: int) -> None:
    text = event(number)

    assert len(text) == SIZE
    assert [int(found) for found in NUMBER.findall(text)] == [number]


def test_the_router_reads_what_is_sent() -> None:
    (one,) = decoded(request(7, 1))
    several = decoded(request(8, 3))

    assert one.id == "event-000000000007"
    assert [each.id for each in several] == [f"event-00000000000{number}" for number in (8, 9)] + [
        "event-000000000010"
    ]


@pytest.fixture
def matched(tmp_path: Path) -> Callable[[deployments.Json], list[tuple[str, ...]]]:
    def match(rules: deployments.Json) -> list[tuple[str, ...]]:
        deployments.write(tmp_path / "matched", rules, {"hook": deployments.http(9, "0")}, None)
        deployment = load([tmp_path / "matched"]).deployment
        events = [one for number in range(500) for one in decoded(request(number, 1))]
        return [tuple(rule.name for rule in deployment.matching(one)) for one in events]

    return match


@pytest.mark.parametrize("count", deployments.FIELDS)
def test_an_event_matches_one_of_many_rules_and_events_spread_over_all(
    count: int, matched: Callable[[deployments.Json], list[tuple[str, ...]]]
) -> None:
    found = matched(deployments.many_rules(count, "hook"))

    assert {len(names) for names in found} == {1}
    assert len(set(found)) == min(count, 500)


def test_an_event_matches_one_of_two_rules(
    matched: Callable[[deployments.Json], list[tuple[str, ...]]],
) -> None:
    assert set(matched(deployments.two_rules(["hook"]))) == {("blocked",)}


# -- numbers -------------------------------------------------------------------------------------------------


def test_an_interval_of_ten_leaves_out_the_lowest_and_the_highest() -> None:
    found = interval([float(value) for value in (9, 3, 1, 4, 10, 5, 2, 6, 8, 7)])

    assert (found.low, found.median, found.high) == (2, 5.5, 9)
    assert found.confidence == pytest.approx(1002 / 1024)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_an_interval_holds_its_median_and_is_sure_from_six_values_on(values: list[float]) -> None:
    found = interval(values)

    assert min(values) <= found.low <= found.median <= found.high <= max(values)
    assert found.is_sure == (len(values) >= 6)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_not_exceeded_by_its_part(values: list[float], part: float) -> None:
    found = quantile(values, part)

    assert sum(value <= found for value in values) >= part * len(values) - 1e-6
    assert found in values


def test_the_disk_is_asked(tmp_path: Path) -> None:
    assert all(seconds > 0 for seconds in fdatasync(tmp_path))


def window(rate: float, cost: float, late: float = 0.01) -> Window:
    return Window(
        events=1_000,
        seconds=1_000 / rate,
        processor=1_000 * cost,
        memory=10**8,
        accept_p50=late / 2,
        accept_p99=late,
        deliver_p50=late / 2,
        deliver_p99=late,
    )


def measured(rate: float, cost: float, late: float = 0.01) -> Measured:
    windows = [window(rate * (1 + turn / 1_000), cost * (1 + turn / 1_000), late) for turn in range(10)]
    return Measured(windows, windows)


def test_a_bound_holds_when_every_interval_clears_it() -> None:
    bare = measured(10_000, 50e-6)

    def holds(rate: float, cost: float) -> bool:
        return verdicts({"http": measured(rate, cost), "bare": bare})[0].holds

    assert holds(8_000, 60e-6)
    assert not holds(8_000, 70e-6)  # the processor says no
    assert not holds(7_000, 60e-6)  # the clock does


def test_too_few_rounds_are_no_verdict() -> None:
    few = Measured([window(10_000, 50e-6)] * 3, [window(5_000, 50e-6)] * 3)

    (found, *_) = verdicts({"http": few, "bare": few})

    assert not found.holds
    assert "too few rounds" in bounds([found])


def test_the_third_target_is_held_to_its_own_lateness() -> None:
    healthy = measured(5_000, 90e-6, late=0.010)

    def holds(late: float) -> bool:
        return verdicts({"healthy": healthy, "troubled": measured(5_000, 90e-6, late)})[0].holds

    assert holds(0.014)
    assert not holds(0.016)


def test_a_backlog_is_held_to_its_weight() -> None:
    assert backlog(1_000_000, 190 * 10**6).holds
    assert not backlog(1_000_000, 210 * 10**6).holds


def test_results_are_told_in_tables_and_a_picture() -> None:
    results = {"bare": measured(10_000, 50e-6), "http": measured(8_000, 60e-6)}
    titles = {name: BY_NAME[name].title for name in results}

    table = sustained(results, titles)
    assert "60.3 (60.1 to 60.5)" in table
    assert "| router, one HTTP target" in half(results, titles)
    drawn = draw(results, titles)
    assert drawn.count("<rect") == 2
    assert ">16,592<" in drawn
    assert [line.rpartition(" | ")[2].strip(" |") for line in bounds(verdicts(results)).splitlines()[2:]] == [
        "holds",
        "holds",
        "holds",
    ]


# -- traffic -------------------------------------------------------------------------------------------------


def test_what_one_notes_another_sees(tmp_path: Path) -> None:
    with board(tmp_path / "board") as writes, board(tmp_path / "board") as reads:
        progress = Hooks(reads, (0, 3))
        writes.note(0, [CAPACITY - 1, CAPACITY], 5)
        writes.note(3, [CAPACITY - 1], 7)

        assert progress.look() == 1
        assert (progress.arrival(CAPACITY - 1), progress.arrival(CAPACITY)) == (7, 0)
        assert reads.arrival(0, CAPACITY) == 5


def test_lines_are_counted_from_where_the_file_was(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("old\n")
    progress = Lines(path)
    with path.open("a") as file:
        file.write("one\ntwo\nthr")

    assert progress.look() == 2
    with path.open("a") as file:
        file.write("ee\n")
    assert progress.look() == 3


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Surroundings]:
    cores = os.sched_getaffinity(0)
    with board(tmp_path / "board") as shared:
        arguments = [str(tmp_path / "board")]
        with processes.module("benchmarks.traffic.receiver", arguments, tmp_path / "log", cores) as receiver:
            yield Surroundings(tmp_path, shared, receiver.port, None, cores)


@pytest.mark.parametrize("name", ["bare", "file", "batches"])
def test_each_event_arrives_where_the_load_looks(name: str, around: Surroundings) -> None:
    variant = BY_NAME[name]
    with variant.running(around) as process:
        progress = variant.progress(around)
        before = process.processor()
        load = Load(process.port, progress, first=1, count=300, batch=variant.batch)
        sent = asyncio.run(load.run())

        assert len(sent.accept) == 300 / variant.batch
        assert len(sent.deliver) == (300 if variant.hooks else 0)
        assert all(0 < late < sent.seconds for late in sent.deliver)
        assert before < process.processor()
        assert process.memory() > 10**7
    if name == "bare":
        assert all(around.board.arrival(0, number) for number in range(1, 301))


def test_half_a_load_takes_its_time_and_a_window_says_what_it_cost(around: Surroundings) -> None:
    variant = BY_NAME["answer"]
    with variant.running(around) as process:
        race = Race(around, {variant: process}, 0.1)
        began = time.monotonic()
        asyncio.run(race.warm_up())
        asyncio.run(race.sustained(1))
        asyncio.run(race.half(1))

    (fast,), (slow,) = race.results["answer"].sustained, race.results["answer"].half
    assert slow.rate < 0.7 * fast.rate
    assert 0 < fast.cost < 0.01
    assert time.monotonic() - began > slow.seconds > 0.05


def test_a_server_that_does_not_start_is_told(around: Surroundings) -> None:
    variant = Variant("gone", "a server that does not start", "benchmarks.traffic.nowhere")
    with variant.running(around) as process, pytest.raises(StalledError):
        asyncio.run(Load(process.port, None, first=1, count=1).run())
    with pytest.raises(UnstartedError, match="No module named"):
        process.check()


def test_a_server_that_answers_otherwise_is_told(around: Surroundings) -> None:
    with pytest.raises(StalledError, match="answered 404"):
        asyncio.run(_to_a_router_without_sources(around))


async def _to_a_router_without_sources(around: Surroundings) -> None:
    folder = around.folder / "deaf"
    targets = {"hook": deployments.http(around.receiver, "0")}
    deployments.write(folder, deployments.two_rules(["hook"]), targets, None)
    (folder / "router.yml").write_text("sources: {imm: {kind: alibaba}}", "utf-8")
    with processes.router(folder, around.cores) as process:
        await Load(process.port, None, first=1, count=1).run()


def test_an_archive_is_full_from_the_start(tmp_path: Path) -> None:
    asyncio.run(deployments.fill(tmp_path / "archive", 6_000))
    targets = {"hook": deployments.http(9, "0")}
    deployments.write(tmp_path / "one", deployments.two_rules(["hook"]), targets, tmp_path / "archive")

    segments = list((tmp_path / "one" / "data" / "events").glob("*.log"))
    assert len(segments) > 1
    with socket.socket() as probe:
        assert (
            probe.connect_ex(("127.0.0.1", 9)) != 0
        )  # nobody listens at the port that the backlog waits for
