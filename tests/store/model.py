"""What a store must do, as plainly as it can be said: the model that the real ones are checked against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from router.store.base import Delivery, Record, Settlement, State, Tally

Place = tuple[str, int, str]
"""A delivery: target, sequence, variant."""


def place_of(delivery: Delivery) -> Place:
    return (delivery.target, delivery.sequence, delivery.variant)


@dataclass(slots=True)
class Entry:
    """One delivery.

    Attributes:
        state: what was settled last.
        claimed: since when it is under way; None where it is not.
        written: whether the store has a row of it, so that a crash changes nothing about it.
        attempts: how many were settled.
        due: with RETRYING, when.
        offered: with RETRYING, whether `due` was told that its time has come. What is settled with a time
            that has come may be handed out at once, or after the next `due`.
        again: it was delivered, and a crash made the store forget that: it may come again.
    """

    state: State = State.PENDING
    claimed: float | None = None
    written: bool = False
    attempts: int = 0
    due: float = 0.0
    offered: bool = False
    again: bool = False


class Model:
    """Every delivery that was ever accepted, and where it stands.

    Attributes:
        patience: seconds under way after which a first try is written down.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.entries: dict[Place, Entry] = {}
        self.until = 0.0

    def appended(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        for sequence, record in zip(sequences, records, strict=True):
            for route in record.routes:
                place = (route.target, sequence, route.variant)
                assert place not in self.entries, f"the sequence {sequence} was given twice"
                self.entries[place] = Entry()

    def claimable(self, target: str) -> int:
        """How many deliveries a claim must find."""
        return sum(
            self._ready(entry) and (entry.offered or entry.state is State.PENDING) and not entry.again
            for (name, *_), entry in self.entries.items()
            if name == target
        )

    def _ready(self, entry: Entry) -> bool:
        if entry.claimed is not None:
            return False
        return entry.state is State.PENDING or (entry.state is State.RETRYING and entry.due <= self.until)

    def claimed(self, deliveries: Iterable[Delivery], now: float) -> None:
        for delivery in deliveries:
            entry = self.entries[place_of(delivery)]
            assert self._ready(entry), f"{place_of(delivery)} was handed out while it was {entry}"
            assert len(delivery.attempts) == entry.attempts
            entry.claimed = now
            entry.offered = entry.again = False

    def under_way(self) -> list[Place]:
        return sorted(place for place, entry in self.entries.items() if entry.claimed is not None)

    def settled(self, settlements: Sequence[Settlement], now: float, patience: float | None = None) -> None:
        for settlement in settlements:
            entry = self.entries[place_of(settlement.delivery)]
            entry.written = entry.written or settlement.state is not State.DELIVERED
            entry.state, entry.claimed = settlement.state, None
            entry.due = settlement.due or 0.0
            entry.attempts += 1
        for entry in self.entries.values():
            if entry.state is State.PENDING and entry.claimed is not None:
                slow = entry.claimed <= now - (self._patience if patience is None else patience)
                if slow:
                    entry.state, entry.due, entry.written = State.RETRYING, entry.claimed, True
        self._seal()

    def _seal(self) -> None:
        """Nothing at or below a target's watermark comes again."""
        low: dict[str, int] = {}
        for (target, sequence, _), entry in self.entries.items():
            if entry.state is State.PENDING:
                low[target] = min(sequence, low.get(target, sequence))
        for (target, sequence, _), entry in self.entries.items():
            if target not in low or sequence < low[target]:
                entry.written = True

    def closed(self, now: float) -> None:
        """A clean end: what is under way comes again, and nothing else does."""
        self.settled((), now, patience=0.0)
        self.crashed()

    def crashed(self) -> None:
        self.until = 0.0
        for entry in self.entries.values():
            entry.claimed, entry.offered = None, False
            if entry.state is State.DELIVERED and not entry.written:
                entry.state, entry.again, entry.attempts = State.PENDING, True, 0

    def next_due(self, now: float) -> float | None:
        self.until = now
        for entry in self.entries.values():
            entry.offered = entry.state is State.RETRYING and entry.claimed is None and entry.due <= now
        return min(
            (
                entry.due
                for entry in self.entries.values()
                if entry.state is State.RETRYING and entry.due > now
            ),
            default=None,
        )

    def check(self, tallies: dict[str, Tally]) -> None:
        """The store counts as the model does; what may come again may be counted or not."""
        for target in {name for name, *_ in self.entries} | tallies.keys():
            mine = [entry for (name, *_), entry in self.entries.items() if name == target]
            tally = tallies.get(target, Tally())
            pending = sum(entry.state is State.PENDING for entry in mine)
            assert pending - sum(entry.again for entry in mine) <= tally.pending <= pending
            assert tally.retrying == sum(entry.state is State.RETRYING for entry in mine)
            assert tally.dead == sum(entry.state is State.DEAD for entry in mine)

    def places(self, *states: State) -> set[Place]:
        """The deliveries in one of these states, but for those that need not come again."""
        return {place for place, entry in self.entries.items() if entry.state in states and not entry.again}
