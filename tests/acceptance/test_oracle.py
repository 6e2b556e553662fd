"""The oracle itself: it sees every way in which a router could break its word."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.harness.oracle import KEYED, KEYS, MATCHES_ALL, ORDERED, TARGETS, UNORDERED, Oracle


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(seed=7)


def arrive(oracle: Oracle, number: int, *, at: tuple[str, ...] | None = None, key: str = "k") -> None:
    for target in oracle.targets(number) if at is None else at:
        oracle.take(target, str(number), oracle.payload(number), f"{key}-{number}-{target}")


def in_order(oracle: Oracle, count: int) -> list[int]:
    """So many events of the first key, promised."""
    numbers = [oracle.issue_next(range(1))[0] for _ in range(count)]
    oracle.promise(numbers)
    return numbers


def see(oracle: Oracle, *numbers: int) -> None:
    """These stand before the ordered target, one after the other."""
    for number in numbers:
        oracle.see(str(number), kept=True)
        oracle.take(ORDERED, str(number), oracle.payload(number), f"k-{number}")


def routed(oracle: Oracle, target: str) -> int:
    """The first event, of those that were issued, that goes there and not everywhere."""
    numbers = oracle.issue(100)
    return next(n for n in numbers if target in oracle.targets(n) and len(oracle.targets(n)) < len(TARGETS))


def test_nothing_is_wrong_where_everything_arrives(oracle: Oracle) -> None:
    numbers = oracle.issue(200)
    oracle.promise(numbers)
    for number in numbers:
        arrive(oracle, number)
    assert oracle.missing(TARGETS) == 0
    assert oracle.findings() == []
    assert oracle.account().accepted == 200


def test_every_event_is_json_and_different_and_the_same_each_time(oracle: Oracle) -> None:
    bodies = [oracle.envelope(number) for number in (*range(1, 500), MATCHES_ALL)]
    assert len({json.loads(body)["id"] for body in bodies}) == len(bodies)
    assert bodies == [Oracle(seed=7).envelope(number) for number in (*range(1, 500), MATCHES_ALL)]
    assert json.loads(bodies[3])["data"]["to"] == list(oracle.targets(4))


def test_events_go_everywhere_and_some_nowhere(oracle: Oracle) -> None:
    wanted = {oracle.targets(number) for number in range(1, 2_000)}
    assert () in wanted
    assert len(wanted) == 2 ** len(UNORDERED)


def test_a_lost_event_is_seen(oracle: Oracle) -> None:
    number = routed(oracle, "hook")
    oracle.promise([number])
    assert oracle.missing(["hook"]) == 1
    arrive(oracle, number, at=tuple(set(oracle.targets(number)) - {"hook"}))
    assert oracle.findings() == [f"lost: 1, such as event {number} at hook"]


def test_an_arrival_before_its_promise_counts(oracle: Oracle) -> None:
    number = routed(oracle, "hook")
    arrive(oracle, number)
    oracle.promise([number])
    assert oracle.missing(TARGETS) == 0
    assert oracle.findings() == []


def test_what_was_promised_to_nobody_may_be_missing_or_arrive(oracle: Oracle) -> None:
    one, _ = oracle.issue(2)
    arrive(oracle, one)
    assert oracle.findings() == []
    assert oracle.account().unanswered == 2


@pytest.mark.parametrize("refused_first", [True, False])
def test_a_refused_event_that_arrives_is_seen(oracle: Oracle, refused_first: bool) -> None:
    number = routed(oracle, "hook")
    if refused_first:
        oracle.refuse([number])
        arrive(oracle, number, at=("hook",))
    else:
        arrive(oracle, number, at=("hook",))
        oracle.refuse([number])
    assert [finding.split(":")[0] for finding in oracle.findings()] == ["refused, but delivered"]


def test_what_was_never_sent_is_seen(oracle: Oracle) -> None:
    oracle.issue(3)
    oracle.take("hook", "4", oracle.payload(4), None)
    oracle.take("hook", "x", b"{}", None)
    assert oracle.findings()[0].startswith("never sent: 2")


@pytest.mark.parametrize(("there", "then"), [(b"1e2", b"100"), (b"0.10", b"0.1"), (b'"sum": ', b'"sum":')])
def test_a_changed_byte_is_seen(oracle: Oracle, there: bytes, then: bytes) -> None:
    number = routed(oracle, "hook")
    oracle.take("hook", str(number), oracle.payload(number).replace(there, then), None)
    assert oracle.findings()[0].startswith("altered: 1")


def test_anothers_id_is_seen(oracle: Oracle) -> None:
    number = routed(oracle, "hook")
    oracle.take("hook", str(number + 1), oracle.payload(number), None)
    assert oracle.findings()[0].startswith("altered: 1")


def test_an_event_at_a_target_that_its_rules_do_not_name_is_seen(oracle: Oracle) -> None:
    number = routed(oracle, "hook")
    [stranger] = sorted(set(TARGETS) - set(oracle.targets(number)))[:1]
    arrive(oracle, number, at=(stranger,))
    assert oracle.findings()[0].startswith("misrouted: 1")


def test_another_key_for_the_same_delivery_is_seen(oracle: Oracle) -> None:
    number = routed(oracle, "hook")
    arrive(oracle, number, key="a")
    arrive(oracle, number, key="b")
    assert oracle.findings()[0].startswith("keys: ")


def test_repetitions_are_counted_and_no_fault(oracle: Oracle) -> None:
    number = routed(oracle, "hook")
    oracle.promise([number])
    for _ in range(3):
        arrive(oracle, number)
    assert oracle.account().repeated["hook"] == 2
    assert oracle.findings() == []


def test_what_somebody_moved_may_arrive_elsewhere(oracle: Oracle) -> None:
    number = routed(oracle, "hook")
    oracle.promise([number])
    oracle.moved["refuge"] = "hook"
    arrive(oracle, number, at=(*set(oracle.targets(number)) - {"hook"}, "refuge"))
    assert oracle.missing(TARGETS) == 0
    assert oracle.findings() == []


def test_a_dead_letter_wants_a_reason(oracle: Oracle) -> None:
    number = routed(oracle, "hook")
    oracle.promise([number])
    arrive(oracle, number, at=tuple(set(oracle.targets(number)) - {"hook"}))
    oracle.bury("hook", number)
    assert oracle.findings() == [f"dead without reason: 1, such as event {number} at hook"]


def test_a_poisoned_event_is_awaited_nowhere_but_in_the_file_and_everywhere_once_cured() -> None:
    oracle = Oracle(seed=7, poison=1)
    number = routed(oracle, "hook")
    oracle.promise([number])
    assert oracle.missing(TARGETS) == ("file" in oracle.targets(number))
    for target in set(oracle.targets(number)) - {"file"}:
        oracle.bury(target, number)
    arrive(oracle, number, at=tuple({"file"} & set(oracle.targets(number))))
    assert oracle.findings() == []
    assert oracle.account().dead["hook"] == 1
    oracle.cure()
    assert oracle.missing(TARGETS) == len(set(oracle.targets(number)) - {"file"})
    arrive(oracle, number)
    assert oracle.findings() == []


def test_arrivals_can_be_counted_anew(oracle: Oracle) -> None:
    number = routed(oracle, "file")
    oracle.promise([number])
    arrive(oracle, number)
    oracle.forget("file")
    assert oracle.missing(TARGETS) == 1
    arrive(oracle, number)
    assert oracle.missing(TARGETS) == 0


def test_waiting_says_what_it_waited_for(oracle: Oracle) -> None:
    oracle.promise([routed(oracle, "hook")])
    with pytest.raises(TimeoutError, match=r"all at hook: 1 of 100 are promised"):
        oracle.wait_until_arrived(["hook"], timeout=0.01)


def test_what_comes_in_the_order_of_its_key_is_right_however_keys_are_mixed(oracle: Oracle) -> None:
    first, second = ([oracle.issue_next(range(key, key + 1))[0] for _ in range(2)] for key in (0, 1))
    see(oracle, second[0], first[0], first[0], first[1], second[1])
    assert oracle.findings([ORDERED]) == []
    assert json.loads(oracle.payload(second[1]))["key"] == "k1"


@pytest.mark.parametrize(
    ("came", "what"), [((1, 0, 2), "{0} came after {1}"), ((0, 1, 0, 2), "{0} came again after {1}")]
)
def test_what_comes_out_of_turn_is_told_with_key_target_and_place(
    oracle: Oracle, came: tuple[int, ...], what: str
) -> None:
    numbers = in_order(oracle, 3)
    oracle.scene = "a-fault, round 2"
    see(oracle, *(numbers[index] for index in came))
    [finding] = oracle.findings([ORDERED])
    expected, found = (" ".join(str(numbers[index]) for index in indices) for indices in ((0, 1, 2), came))
    said = what.format(*numbers)
    assert finding == (
        f"order: 1, such as key k0 at ordered: {said} (a-fault, round 2): expected {expected}, found {found}"
    )


@pytest.mark.parametrize(("again", "is_right"), [(1, True), (0, False)], ids=["latest", "before-it"])
def test_a_crash_may_repeat_the_latest_of_a_key_and_none_before_it(
    oracle: Oracle, again: int, is_right: bool
) -> None:
    numbers = in_order(oracle, 3)
    see(oracle, *numbers[:2])
    oracle.life += 1
    see(oracle, *numbers[again:])
    assert [finding.split(":")[0] for finding in oracle.findings([ORDERED])] == ["order"] * (not is_right)
    assert oracle.account().repeated[ORDERED] == 2 - again


def test_what_an_operator_moved_has_an_order_of_its_own(oracle: Oracle) -> None:
    numbers = in_order(oracle, 4)
    oracle.redriven |= {numbers[0], numbers[1]}
    see(oracle, numbers[2], numbers[0], numbers[3], numbers[1])
    assert oracle.findings([ORDERED]) == []
    see(oracle, numbers[0])
    assert oracle.findings([ORDERED])[0].startswith("order: 1")


def test_after_a_poisoned_event_those_of_its_key_are_not_awaited_and_may_be_parked() -> None:
    oracle = Oracle(seed=7, poison=KEYED + KEYS)
    numbers = in_order(oracle, 3)
    assert oracle.is_poisoned(numbers[1])
    assert oracle.held_up == 1
    assert oracle.missing([ORDERED]) == 1
    see(oracle, numbers[0])
    for number in numbers[1:]:
        oracle.bury(ORDERED, number)
    assert oracle.findings([ORDERED]) == []
    oracle.cure()
    see(oracle, numbers[1])
    assert oracle.missing([ORDERED]) == 1
    see(oracle, numbers[2])
    assert oracle.findings([ORDERED]) == []
