"""First in, first out for each key, as a function of what happens."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.delivery import order
from router.delivery.order import Head, OnPoison, Queues
from router.store.base import Delivery, Place, State, delivery_of
from tests.support import record

RECORD = record(1, "a")


def delivery(sequence: int) -> Delivery:
    return delivery_of(sequence, RECORD.routes[0], RECORD)


def place(sequence: int) -> Place:
    return Place(sequence, "a")


def taken(queues: Queues, most: int = 100) -> list[int]:
    return [one.sequence for one in queues.take(most)]


def admitted(queues: Queues, *keys: str | None) -> None:
    for sequence, key in enumerate(keys, start=1):
        queues.admit(delivery(sequence), key)


def test_one_of_each_key_goes_and_the_next_when_it_is_delivered() -> None:
    queues = Queues(OnPoison.BLOCK)
    admitted(queues, "x", "y", "x", "x", "y")
    assert taken(queues) == [1, 2]
    assert taken(queues) == []
    queues.settled(place(1), State.DELIVERED)
    assert taken(queues) == [3]
    queues.settled(place(2), State.DELIVERED)
    queues.settled(place(3), State.DELIVERED)
    assert taken(queues) == [5, 4]
    assert queues.in_hand == 0


def test_what_has_no_key_waits_for_nothing() -> None:
    queues = Queues(OnPoison.BLOCK)
    admitted(queues, None, "x", None, "x")
    assert taken(queues, 2) == [1, 2]
    assert taken(queues) == [3]
    queues.settled(place(1), State.DEAD)
    assert queues.in_hand == 1


def test_while_one_is_retried_its_key_waits() -> None:
    queues = Queues(OnPoison.SKIP)
    admitted(queues, "x", "x")
    assert taken(queues) == [1]
    queues.settled(place(1), State.RETRYING, 50.0)
    assert taken(queues) == []
    assert queues.heads() == [Head(place(1), dead=False, due=50.0)]
    queues.admit(delivery(1), "x")
    assert queues.heads() == []
    assert taken(queues) == [1]


@pytest.mark.parametrize(("on_poison", "goes"), [("block", []), ("park", []), ("skip", [2])])
def test_what_a_dead_letter_means(on_poison: str, goes: list[int]) -> None:
    queues = Queues(OnPoison(on_poison))
    admitted(queues, "x", "x", "x")
    taken(queues)
    queues.settled(place(1), State.DEAD)
    assert taken(queues) == goes
    assert queues.heads() == ([] if goes else [Head(place(1), dead=True, due=0.0)])


def test_a_dead_letter_that_is_dropped_or_redriven_blocks_no_more() -> None:
    for state in (State.CANCELLED, State.DELIVERED):
        queues = Queues(OnPoison.BLOCK)
        admitted(queues, "x", "x")
        taken(queues)
        queues.settled(place(1), State.DEAD)
        queues.settled(place(1), state)
        assert taken(queues) == [2]


def test_what_is_parked_is_dead_in_its_order() -> None:
    queues = Queues(OnPoison.PARK)
    admitted(queues, "x", "x", "y", "x")
    assert taken(queues) == [1, 3]
    queues.settled(place(1), State.DEAD)
    assert [one.sequence for one in queues.park(place(1))] == [2, 4]
    assert queues.in_hand == 0
    for sequence in (2, 4):
        queues.settled(place(sequence), State.DEAD)
    for sequence in (4, 2, 1):  # an operator redrives all of them
        queues.admit(delivery(sequence), "x")
    assert taken(queues) == [1]
    queues.settled(place(1), State.DELIVERED)
    assert taken(queues) == [2]


def test_what_an_earlier_life_left_comes_first() -> None:
    queues = Queues(OnPoison.BLOCK)
    queues.know(place(2), "x", State.RETRYING, 9.0)
    queues.know(place(1), "y", State.DEAD, 0.0)
    queues.know(place(3), None, State.DEAD, 0.0)
    for sequence, key in ((5, "x"), (6, "y"), (2, "x")):
        queues.admit(delivery(sequence), key)
    assert taken(queues) == [2]
    assert queues.heads() == [Head(place(1), dead=True, due=0.0)]


def test_an_older_one_that_comes_late_goes_next_and_not_beside() -> None:
    queues = Queues(OnPoison.SKIP)
    queues.admit(delivery(5), "x")
    queues.admit(delivery(6), "x")
    assert taken(queues) == [5]
    queues.admit(delivery(1), "x")  # moved here from another target
    assert taken(queues) == []
    queues.settled(place(5), State.DELIVERED)
    assert taken(queues) == [1]


def test_a_head_that_moved_on_does_not_stand() -> None:
    queues = Queues(OnPoison.BLOCK)
    admitted(queues, "x", "x")
    taken(queues)
    queues.settled(place(1), State.RETRYING, 5.0)
    (head,) = queues.heads()
    assert queues.stands(head)
    queues.settled(place(1), State.DEAD)
    assert not queues.stands(head)
    queues.settled(place(1), State.CANCELLED)
    assert not queues.stands(head)


def test_who_leaves_gives_back_what_has_not_gone() -> None:
    queues = Queues(OnPoison.BLOCK)
    admitted(queues, "x", "x", "y", None)
    assert taken(queues, 1) == [1]
    assert sorted(one.sequence for one in queues.leave()) == [2, 3, 4]
    assert (queues.in_hand, taken(queues)) == (0, [])


def test_it_is_full_when_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "MOST_IN_HAND", 3)
    queues = Queues(OnPoison.BLOCK)
    admitted(queues, "x", "x", "x")
    assert queues.is_full
    taken(queues)
    assert not queues.is_full


class Machine(RuleBasedStateMachine):
    """Whatever happens, in whatever order: no delivery goes before an earlier one of its key has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.queues = Queues(OnPoison.BLOCK)
        self.unfinished: dict[str, list[int]] = defaultdict(list)
        self.keys: dict[int, str] = {}
        self.going: set[int] = set()
        self.away: set[int] = set()
        self.next = 1

    @rule(key=st.sampled_from("xyz"))
    def accept(self, key: str) -> None:
        self.unfinished[key].append(self.next)
        self.keys[self.next] = key
        self.queues.admit(delivery(self.next), key)
        self.next += 1

    @rule(most=st.integers(1, 3))
    def go(self, most: int) -> None:
        for sequence in taken(self.queues, most):
            assert self.unfinished[self.keys[sequence]][0] == sequence
            assert not {one for one in self.going if self.keys[one] == self.keys[sequence]}
            self.going.add(sequence)

    @precondition(lambda self: self.going)
    @rule(data=st.data(), state=st.sampled_from([State.DELIVERED, State.RETRYING, State.DEAD]))
    def settle(self, data: st.DataObject, state: State) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.going)))
        self.going.remove(sequence)
        self.queues.settled(place(sequence), state, 1.0)
        if state is State.DELIVERED:
            self.unfinished[self.keys[sequence]].remove(sequence)
        else:
            self.away.add(sequence)

    @precondition(lambda self: self.away)
    @rule(data=st.data(), drop=st.booleans())
    def come_back(self, data: st.DataObject, drop: bool) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.away)))
        self.away.remove(sequence)
        if drop:
            self.queues.settled(place(sequence), State.CANCELLED)
            self.unfinished[self.keys[sequence]].remove(sequence)
        else:
            self.queues.admit(delivery(sequence), self.keys[sequence])

    @invariant()
    def nobody_is_forgotten(self) -> None:
        waiting = sum(map(len, self.unfinished.values())) - len(self.going) - len(self.away)
        assert self.queues.in_hand == waiting

    def teardown(self) -> None:
        """When all that is away comes back, everything goes, in order."""
        for sequence in sorted(self.away):
            self.queues.admit(delivery(sequence), self.keys[sequence])
        self.away.clear()
        while any(self.unfinished.values()):
            self.go(100)
            assert self.going
            for sequence in sorted(self.going):
                self.queues.settled(place(sequence), State.DELIVERED)
                self.unfinished[self.keys[sequence]].remove(sequence)
            self.going.clear()


TestMachine = Machine.TestCase


@given(st.lists(st.sampled_from(["x", "y", None]), max_size=50))
def test_all_go_in_order_when_all_goes_well(keys: list[str | None]) -> None:
    queues = Queues(OnPoison.PARK)
    admitted(queues, *keys)
    gone: list[int] = []
    while found := taken(queues, 2):
        gone += found
        for sequence in found:
            queues.settled(place(sequence), State.DELIVERED)
    assert sorted(gone) == list(range(1, len(keys) + 1))
    for key in "xy":
        of_key = [sequence for sequence in gone if keys[sequence - 1] == key]
        assert of_key == sorted(of_key)
