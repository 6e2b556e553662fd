"""The window of fingerprints: what it must remember, what it must forget, and what it may cost."""

from __future__ import annotations

import random
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from router.duplicates.window import Finding, Window


def print_of(name: int, content: int) -> bytes:
    """A fingerprint: these few collide in their halves as those of real events do."""
    return name.to_bytes(8, "big") + (name * 1_000 + content).to_bytes(8, "big")


def put(window: Window, fingerprint: bytes, sequence: int, received: float) -> None:
    window.add([fingerprint], [sequence], [received])


def test_an_event_is_found_by_its_fingerprint() -> None:
    window = Window(seconds=600)
    put(window, print_of(1, 1), 42, 1000.0)
    assert window.find(print_of(1, 1), 1000.0) == Finding(42, conflict=False)
    assert window.find(print_of(2, 1), 1000.0) == Finding(None, conflict=False)


def test_the_same_name_with_other_content_is_a_conflict() -> None:
    window = Window(seconds=600)
    put(window, print_of(1, 1), 42, 1000.0)
    assert window.find(print_of(1, 2), 1000.0) == Finding(None, conflict=True)


def test_a_fingerprint_is_forgotten_when_its_time_is_over() -> None:
    window = Window(seconds=600)
    put(window, print_of(1, 1), 42, 1000.0)
    assert window.find(print_of(1, 1), 1600.0).sequence == 42
    assert window.find(print_of(1, 1), 1600.5) == Finding(None, conflict=False)
    assert len(window) == 0
    assert window.cut_short == 0


def test_a_clock_that_is_set_back_forgets_nothing() -> None:
    window = Window(seconds=600)
    put(window, print_of(1, 1), 42, 5000.0)
    assert window.find(print_of(1, 1), 1400.0).sequence == 42


def test_too_many_push_out_the_oldest_and_are_counted() -> None:
    window = Window(seconds=600, most=3)
    for n in range(5):
        put(window, print_of(n, 0), n, 1000.0)
    assert [window.find(print_of(n, 0), 1000.0).sequence for n in range(5)] == [None, None, 2, 3, 4]
    assert window.cut_short == 2
    assert len(window) == 3


def test_a_million_fit_into_the_memory_that_is_promised() -> None:
    fingerprints = [random.Random(n).randbytes(16) for n in range(70_000)]
    tracemalloc.start()
    try:
        window = Window(seconds=600, most=65_536)
        for n, fingerprint in enumerate(fingerprints):
            put(window, fingerprint, n, 1000.0)
        assert len(window) == 65_536
        assert tracemalloc.get_traced_memory()[0] / 65_536 < 55
    finally:
        tracemalloc.stop()


class AgainstAList(RuleBasedStateMachine):
    """The window does what a list of everything would do."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 1_500
        self.window = Window(seconds=100.0, most=self.most)
        self.model: list[tuple[bytes, int, float]] = []
        self.now = 1000.0
        self.next = 1

    def _expire(self) -> None:
        while self.model and self.now - self.model[0][2] > 100.0:
            del self.model[0]

    @rule(name=st.integers(0, 30), content=st.integers(0, 3), times=st.sampled_from([1, 1, 2, 700, 1_600]))
    def add(self, name: int, content: int, times: int) -> None:
        for n in range(times):
            fingerprint = print_of(name + 31 * n, content)
            put(self.window, fingerprint, self.next, self.now)
            self._expire()
            self.model.append((fingerprint, self.next, self.now))
            del self.model[: -self.most]
            self.next += 1

    @rule(
        contents=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1),
        times=st.integers(1, 90),
    )
    def add_at_once(self, contents: list[tuple[int, int]], times: int) -> None:
        group = [print_of(*one) for one in contents] * times
        sequences = range(self.next, self.next + len(group))
        self.next = sequences.stop
        received = [self.now] * len(group)
        self.window.add(group, sequences, received)
        self._expire()
        self.model.extend(zip(group, sequences, received, strict=True))
        del self.model[: -self.most]

    @rule(seconds=st.floats(0, 120))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=st.integers(0, 60), content=st.integers(0, 3))
    def find(self, name: int, content: int) -> None:
        self._expire()
        fingerprint = print_of(name, content)
        same = [sequence for other, sequence, _ in self.model if other == fingerprint]
        named = [other for other, _, _ in self.model if other[:8] == fingerprint[:8]]
        wanted = Finding(same[-1] if same else None, bool(named) and named[-1] != fingerprint)
        if self.window.has_none_of([fingerprint]):
            assert wanted == Finding(None, conflict=False)
        assert self.window.find(fingerprint, self.now) == wanted
        assert self.window.has_none_of([fingerprint]) is not bool(named)

    @invariant()
    def is_bounded(self) -> None:
        assert len(self.window) <= self.most


AgainstAList.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAgainstAList = AgainstAList.TestCase


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=60), st.integers(1, 20))
def test_the_newest_are_always_found(fingerprints: list[bytes], most: int) -> None:
    window = Window(seconds=1.0, most=most)
    for sequence, fingerprint in enumerate(fingerprints):
        put(window, fingerprint, sequence, 0.0)
    newest = {
        one: sequence for sequence, one in enumerate(fingerprints) if sequence >= len(fingerprints) - most
    }
    assert {one: window.find(one, 0.0).sequence for one in newest} == newest
