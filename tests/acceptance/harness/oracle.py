"""Knows what was sent, what was promised and what arrived, and says what does not fit together.

Event number n is a function of the seed and n alone: where it must go, and every byte of its payload. So
nothing is remembered but what became of it.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.acceptance.harness.order import Arrival, wrong

ORDERED = "ordered"
"""The target whose events go in the order of a key."""

UNORDERED = ("hook", "raw", "batch", "file")

TARGETS = (*UNORDERED, ORDERED)
"""The targets of every deployment here."""

MATCHES_ALL = 10_000_000
"""Events of this number and above go to every target."""

KEYED = 24_000_000
"""Events of this number and above have a key, and go to the ordered target and to others."""

KEYS = 24
"""How many keys there are: an event's is its number modulo this, and its next one's number so much higher."""

_PROMISED, _REFUSED = 1, 2
_NUMBER = re.compile(rb'\{"n": ?([0-9]+),')
_FILLER = "ключ 鍵 \\u00e9\\n 🙂 0123456789 "


@dataclass(frozen=True, slots=True)
class Account:
    """What one oracle has seen.

    Attributes:
        accepted: events whose request was answered with success.
        refused: events whose request was answered otherwise.
        unanswered: events whose request had no answer; nothing was promised about them.
        delivered: arrivals, each event once, by target.
        repeated: arrivals beyond the first, by target.
        dead: events that were dead letters, by target; perhaps not for ever.
        missing: promised arrivals that did not come and are no dead letters.
    """

    accepted: int
    refused: int
    unanswered: int
    delivered: dict[str, int]
    repeated: dict[str, int]
    dead: dict[str, int]
    missing: int


class Oracle:
    """Numbers events, and keeps their accounts. From any thread.

    Attributes:
        poison: every so many events one is wrong, and its targets say so; 0 for none.
        moved: by a target's name: those whose events arrive there too, because somebody moved them.
        redriven: the events that an operator has sent to another target.
        scene: which fault this is, and which round of it.
        life: which life of the router this is.
    """

    def __init__(self, seed: int, poison: int = 0) -> None:
        self.poison = poison
        self.moved: dict[str, str] = {}
        self.redriven: set[int] = set()
        self.scene = ""
        self.life = 0
        self._seed = seed
        self._changed = threading.Condition()
        self._issued = 0
        self._extra = MATCHES_ALL - 1
        self._next = [KEYED + key for key in range(KEYS)]
        self._lines: dict[int, list[Arrival]] = {key: [] for key in range(KEYS)}
        self._fates: dict[int, int] = {}
        self._arrived: dict[str, Counter[int]] = {target: Counter() for target in TARGETS}
        self._missing = Counter[str]()
        self._keys: dict[str, dict[int, str]] = defaultdict(dict)
        self._dead: dict[str, set[int]] = defaultdict(set)
        self._wrong: dict[str, list[str]] = defaultdict(list)
        self._counts = Counter[int]()
        self._died = Counter[str]()

    # -- events ---------------------------------------------------------------------------------------------

    def targets(self, number: int) -> tuple[str, ...]:
        """Where it must go; nowhere is possible."""
        if MATCHES_ALL <= number < KEYED:
            return TARGETS
        drawn = zlib.crc32(b"%d:%d" % (self._seed, number))
        wanted = (drawn % 8 == 0, drawn >> 3 & 15 == 0, drawn >> 7 & 1 == 0, drawn >> 8 & 3 != 0)
        others = tuple(target for target, is_wanted in zip(UNORDERED, wanted, strict=True) if is_wanted)
        return (*others, ORDERED) if number >= KEYED else others

    def is_poisoned(self, number: int) -> bool:
        """Whether its targets are to refuse it."""
        return self.poison > 0 and not MATCHES_ALL <= number < KEYED and number % self.poison == 0

    def is_held_up(self, number: int) -> bool:
        """Whether an earlier event of its key is poisoned."""
        return any(self.is_poisoned(before) for before in range(number - KEYS, KEYED - 1, -KEYS))

    def payload(self, number: int) -> bytes:
        """Its data: unusual spellings that a router might be tempted to tidy up, and a checksum."""
        names = ",".join(f'"{target}"' for target in self.targets(number))
        key = f'"key": "k{number % KEYS}", ' if number >= KEYED else ""
        text = f'{key}"to": [{names}], "spelt": [1.0, 1e2, -0, 0.10], "filler": "{_FILLER * (number % 20)}"'
        return f'{{"n": {number}, {text}, "sum": {zlib.crc32(text.encode())}}}'.encode()

    def envelope(self, number: int) -> bytes:
        """The event as it is sent: CloudEvents JSON format 1.0."""
        head = b'{"specversion":"1.0","id":"%d","source":"/oracle","type":"oracle.event","data":' % number
        return head + self.payload(number) + b"}"

    # -- accounts -------------------------------------------------------------------------------------------

    def issue(self, count: int = 1) -> range:
        """The next numbers."""
        with self._changed:
            first = self._issued + 1
            self._issued += count
            return range(first, first + count)

    def issue_next(self, keys: range) -> Sequence[int]:
        """The next number of each of these keys."""
        with self._changed:
            numbers = [self._next[key] for key in keys]
            for key in keys:
                self._next[key] += KEYS
            return numbers

    def issue_for_all(self) -> range:
        """One event that every target must get."""
        with self._changed:
            self._extra += 1
            return range(self._extra, self._extra + 1)

    def promise(self, numbers: Iterable[int]) -> None:
        """Their request was answered with success."""
        with self._changed:
            for number in numbers:
                self._decide(number, _PROMISED)
                for target in self._awaited(number):
                    self._missing[target] += number not in self._arrived[target]
            self._changed.notify_all()

    def refuse(self, numbers: Iterable[int]) -> None:
        """Their request was answered otherwise: nothing of it may ever arrive."""
        with self._changed:
            for number in numbers:
                self._decide(number, _REFUSED)
            self._changed.notify_all()

    def see(self, id_: str, *, kept: bool) -> None:
        """An event stood before the ordered target, which took it or did not."""
        with self._changed:
            if (number := int(id_)) >= KEYED:
                self._lines[number % KEYS].append(Arrival(number, self.life, self.scene, kept))

    def take(self, at: str, id_: str, data: bytes, key: str | None) -> None:
        """An event arrived at a target, and this is what it looked like."""
        found = _NUMBER.match(data)
        number = int(found[1]) if found else 0
        with self._changed:
            if not self._is_issued(number):
                return self._complain("never sent", f"{at} got {data[:100]!r}")
            if data != self.payload(number) or id_ != str(number):
                return self._complain("altered", f"{at} got event {number} as {id_!r}, {data[:2000]!r}")
            origins = {at, self.moved.get(at, at)} & set(self.targets(number))
            if not origins:
                return self._complain("misrouted", f"{at} got event {number} for {self.targets(number)}")
            if self._fates.get(number) == _REFUSED:
                self._complain("refused, but delivered", f"{at} got event {number}")
            if key is not None and self._keys[at].setdefault(number, key) != key:
                self._complain("keys", f"{at} got event {number} as {key} and {self._keys[at][number]}")
            for origin in origins:
                self._count(origin, number)
            self._changed.notify_all()
        return None

    def forget(self, target: str) -> None:
        """Its arrivals are counted anew."""
        with self._changed:
            self._arrived[target].clear()
            self._await_anew(target)

    def bury(self, target: str, number: int) -> None:
        """The router shows it among its dead letters."""
        with self._changed:
            self._died[target] += number not in self._dead[target]
            self._dead[target].add(number)

    def cure(self) -> None:
        """No event is wrong any more, and all that were are to be made again."""
        with self._changed:
            self.poison = 0
            self._dead.clear()
            for target in TARGETS:
                self._await_anew(target)

    def complain(self, kind: str, what: str) -> None:
        """Something else is wrong."""
        with self._changed:
            self._complain(kind, what)

    # -- waiting --------------------------------------------------------------------------------------------

    @property
    def promised(self) -> int:
        """How many events were promised."""
        return self._counts[_PROMISED]

    @property
    def refused(self) -> int:
        """How many were refused."""
        return self._counts[_REFUSED]

    @property
    def held_up(self) -> int:
        """How many promised events have a poisoned one of their key before them."""
        return sum(self.is_held_up(number) for number in self._promised() if number >= KEYED)

    def missing(self, targets: Iterable[str]) -> int:
        """How many promised arrivals have not come there."""
        return sum(self._missing[target] for target in targets)

    def wait_until_promised(self, count: int, timeout: float = 600.0) -> None:
        """Block until so many events in all are promised."""
        self._wait(lambda: self.promised >= count, f"{count} promises", timeout)

    def wait_until_refused(self, count: int, timeout: float = 60.0) -> None:
        """Block until so many events in all were refused."""
        self._wait(lambda: self.refused >= count, f"{count} refusals", timeout)

    def wait_until_arrived(self, targets: Sequence[str], timeout: float = 600.0, most: int = 0) -> None:
        """Block until no more than `most` promised arrivals are missing at these targets."""
        self._wait(lambda: self.missing(targets) <= most, f"all at {', '.join(targets)}", timeout)

    def _wait(self, reached: Callable[[], bool], what: str, timeout: float) -> None:
        with self._changed:
            if not self._changed.wait_for(reached, timeout):
                raise TimeoutError(
                    f"waited {timeout:g} s for {what}: {self.promised} of {self._sent} are promised, "
                    f"{self.refused} refused; missing: {dict(self._missing)}; wrong: {dict(self._wrong)}"
                )

    # -- the end --------------------------------------------------------------------------------------------

    def account(self) -> Account:
        """How many of what."""
        return Account(
            accepted=self.promised,
            refused=self.refused,
            unanswered=self._sent - self.promised - self.refused,
            delivered={target: len(counts) for target, counts in self._arrived.items()},
            repeated={target: counts.total() - len(counts) for target, counts in self._arrived.items()},
            dead=dict(self._died),
            missing=sum(
                self._is_lost(target, number)
                for number in self._promised()
                for target in self.targets(number)
            ),
        )

    def findings(self, targets: Sequence[str] = TARGETS) -> list[str]:
        """Everything that must not be, with three examples of a kind; empty where all is well."""
        with self._changed:
            found = {kind: list(examples) for kind, examples in self._wrong.items()}
            for number in self._promised():
                for target in set(targets).intersection(self.targets(number)):
                    self._judge(target, number, found)
            for target, numbers in self._dead.items():
                for number in numbers:
                    parked = target == ORDERED and self.is_held_up(number)
                    if not self.is_poisoned(number) and not parked:
                        found.setdefault("dead without reason", []).append(f"event {number} at {target}")
            if ORDERED in targets and (swapped := list(self._swapped())):
                found["order"] = swapped
        return [f"{kind}: {len(all_)}, such as {'; '.join(all_[:3])}" for kind, all_ in found.items()]

    def _judge(self, target: str, number: int, found: dict[str, list[str]]) -> None:
        if self._is_lost(target, number):
            found.setdefault("lost", []).append(f"event {number} at {target}")
        elif number in self._arrived[target] and number in self._dead[target]:
            found.setdefault("dead and delivered", []).append(f"event {number} at {target}")

    def _swapped(self) -> Iterator[str]:
        """What did not come in the order of its key.

        What an operator sends to another target may find later ones of its key there already.
        """
        owed: dict[int, list[int]] = defaultdict(list)
        for number in self._promised():
            if number >= KEYED and number not in self._dead[ORDERED]:
                owed[number % KEYS].append(number)
        for key, line in self._lines.items():
            for is_redriven in (False, True):
                came = [one for one in line if (one.number in self.redriven) == is_redriven]
                due = [number for number in owed[key] if (number in self.redriven) == is_redriven]
                yield from (f"key k{key} at {ORDERED}: {what}" for what in wrong(came, due))

    def _is_lost(self, target: str, number: int) -> bool:
        return number not in self._arrived[target] and number not in self._dead[target]

    @property
    def _sent(self) -> int:
        keyed = sum((after - KEYED) // KEYS for after in self._next)
        return self._issued + self._extra - MATCHES_ALL + 1 + keyed

    def _is_issued(self, number: int) -> bool:
        if number >= KEYED:
            return number < self._next[number % KEYS]
        return 1 <= number <= self._issued or MATCHES_ALL <= number <= self._extra

    def _decide(self, number: int, fate: int) -> None:
        self._fates[number] = fate
        self._counts[fate] += 1
        if fate == _REFUSED and any(number in arrived for arrived in self._arrived.values()):
            self._complain("refused, but delivered", f"event {number}")

    def _promised(self) -> Iterator[int]:
        return (number for number, fate in self._fates.items() if fate == _PROMISED)

    def _await_anew(self, target: str) -> None:
        awaited = (number for number in self._promised() if target in self._awaited(number))
        self._missing[target] = sum(number not in self._arrived[target] for number in awaited)

    def _awaited(self, number: int) -> tuple[str, ...]:
        """Where it must arrive. What is poisoned ends as a dead letter at all but the file."""
        targets = self.targets(number)
        if self.is_poisoned(number):
            return tuple({"file"} & set(targets))
        held_up = number >= KEYED and self.poison > 0 and self.is_held_up(number)
        return tuple(target for target in targets if target != ORDERED) if held_up else targets

    def _count(self, target: str, number: int) -> None:
        self._arrived[target][number] += 1
        is_first = self._arrived[target][number] == 1
        if is_first and self._fates.get(number) == _PROMISED and target in self._awaited(number):
            self._missing[target] -= 1

    def _complain(self, kind: str, what: str) -> None:
        self._wrong[kind].append(what)
