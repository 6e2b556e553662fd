"""What a store must do, as plainly as it can be said: the model that the real ones are checked against."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from router.store.base import Delivery, Place, Record, Settlement, Standing, State, Tally

WAITING = frozenset({State.PENDING, State.RETRYING, State.DEAD})


@dataclass(slots=True)
class Entry:
    """One delivery.

    Attributes:
        state: what was settled or decided last.
        claimed: since when it is under way; None where it is not.
        written: whether the store has a row of it, so that a crash changes nothing about it.
        attempts: how many were settled, and redrives.
        due: with RETRYING, when.
        offered: with RETRYING, whether it must be handed out: `due` was told that its time has come, or an
            operator has said so. What is settled with a time that has come may be handed out at once, or
            after the next `due`.
        again: it was delivered, and a crash made the store forget that: it may come again.
    """

    state: State = State.PENDING
    claimed: float | None = None
    written: bool = False
    attempts: int = 0
    due: float = 0.0
    offered: bool = False
    again: bool = False

    @property
    def standing(self) -> State:
        return self.state if self.claimed is None else State.IN_FLIGHT


class Model:
    """Every delivery that was ever accepted, and where it stands.

    Attributes:
        patience: seconds under way after which a first try is written down.
        records: what was accepted and not let go.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.entries: dict[Place, Entry] = {}
        self.records: dict[int, Record] = {}
        self.until = 0.0
        self._old: set[int] = set()

    def appended(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        for sequence, record in zip(sequences, records, strict=True):
            assert sequence not in self.records, f"the sequence {sequence} was given twice"
            self.records[sequence] = record
            for route in record.routes:
                self.entries[Place(sequence, route.target, route.variant)] = Entry()

    def claimable(self, target: str) -> int:
        """How many deliveries a claim must find."""
        return sum(
            self._ready(entry) and (entry.offered or entry.state is State.PENDING) and not entry.again
            for place, entry in self.entries.items()
            if place.target == target
        )

    def _ready(self, entry: Entry) -> bool:
        if entry.claimed is not None:
            return False
        return entry.state is State.PENDING or (entry.state is State.RETRYING and entry.due <= self.until)

    def claimed(self, deliveries: Iterable[Delivery], now: float) -> None:
        for delivery in deliveries:
            entry = self.entries[delivery.place]
            assert self._ready(entry), f"{delivery.place} was handed out while it was {entry}"
            assert len(delivery.attempts) == entry.attempts
            assert delivery.event == self.records[delivery.sequence].event
            entry.claimed = now
            entry.offered = entry.again = False

    def under_way(self) -> list[Place]:
        return sorted(place for place, entry in self.entries.items() if entry.claimed is not None)

    def settled(self, settlements: Sequence[Settlement], now: float, patience: float | None = None) -> None:
        for settlement in settlements:
            entry = self.entries[settlement.delivery.place]
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
        for place, entry in self.entries.items():
            if entry.state is State.PENDING:
                low[place.target] = min(place.sequence, low.get(place.target, place.sequence))
        for place, entry in self.entries.items():
            if place.target not in low or place.sequence < low[place.target]:
                entry.written = True

    # -- an operator's words ------------------------------------------------------------------------------

    def certain(self) -> list[Place]:
        """The deliveries of which everybody knows where they stand."""
        return sorted(place for place, entry in self.entries.items() if not entry.again)

    def redriven(self, places: Iterable[Place], now: float, to: str | None) -> int:
        """How many a redrive is about."""
        count = 0
        for place in sorted(dict.fromkeys(places), key=lambda place: place.target != to):
            entry = self.entries[place]
            if to is None or place.target == to:
                if entry.state is State.DEAD:
                    self._revive(entry, now)
                    count += 1
            elif self._cancel(entry):
                there = self.entries.get(place._replace(target=to))
                if there is None:
                    there = self.entries[place._replace(target=to)] = Entry(attempts=entry.attempts)
                    self._revive(there, now)
                elif there.state in {State.DEAD, State.CANCELLED}:
                    self._revive(there, now)
                count += 1
        return count

    def _revive(self, entry: Entry, now: float) -> None:
        entry.state, entry.due, entry.offered, entry.written = State.RETRYING, now, True, True
        entry.attempts += 1
        self.until = max(self.until, now)

    def cancelled(self, places: Iterable[Place]) -> int:
        """How many a cancel is about."""
        return sum(self._cancel(self.entries[place]) for place in set(places))

    def _cancel(self, entry: Entry) -> bool:
        if entry.claimed is not None or entry.state not in WAITING:
            return False
        entry.state, entry.written = State.CANCELLED, True
        return True

    def trimmed(self, left: Collection[int], before: float, most: int) -> int:
        """How many records have gone: none that is needed, and none that is young and not too much."""
        gone = self.records.keys() - set(left)
        assert self.records.keys() >= set(left)
        for place, entry in self.entries.items():
            assert (
                place.sequence not in gone
                or entry.again
                or entry.standing
                in {
                    State.DELIVERED,
                    State.CANCELLED,
                }
            ), f"{place} is gone, and was {entry}"
        self._old.update(at for at, one in self.records.items() if most == 0 or one.received < before)
        assert gone <= self._old
        self.entries = {place: entry for place, entry in self.entries.items() if place.sequence not in gone}
        self.records = {at: record for at, record in self.records.items() if at not in gone}
        return len(gone)

    # -- the end of a life --------------------------------------------------------------------------------

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

    # -- looking ------------------------------------------------------------------------------------------

    def check(self, tallies: dict[str, Tally]) -> None:
        """The store counts as the model does; what may come again may be counted or not."""
        for target in {place.target for place in self.entries} | tallies.keys():
            mine = [entry for place, entry in self.entries.items() if place.target == target]
            tally = tallies.get(target, Tally())
            pending = sum(entry.state is State.PENDING for entry in mine)
            assert pending - sum(entry.again for entry in mine) <= tally.pending <= pending
            assert tally.retrying == sum(entry.state is State.RETRYING for entry in mine)
            assert tally.dead == sum(entry.state is State.DEAD for entry in mine)

    def check_standing(
        self, found: Sequence[Standing], states: Collection[State], target: str | None
    ) -> None:
        """It lists what the model has; what may come again may be listed as pending or not."""
        places = [standing.delivery.place for standing in found]
        assert places == sorted(set(places))
        for standing in found:
            entry = self.entries[standing.delivery.place]
            assert standing.state is entry.standing
            assert standing.state in states
            assert target in {None, standing.delivery.target}
            assert len(standing.delivery.attempts) == entry.attempts, (standing, entry)
            if entry.standing is State.IN_FLIGHT:
                assert standing.at == entry.claimed
            elif entry.standing is State.RETRYING:
                assert standing.at == entry.due
        assert {
            place
            for place, entry in self.entries.items()
            if entry.standing in states and target in {None, place.target} and not entry.again
        } <= set(places)

    def check_event(self, found: Sequence[Standing], sequence: int) -> None:
        """All deliveries of an event are told, and each stands where the model has it."""
        mine = {place: entry for place, entry in self.entries.items() if place.sequence == sequence}
        assert [standing.delivery.place for standing in found] == sorted(mine)
        for standing in found:
            entry = mine[standing.delivery.place]
            allowed = {State.PENDING, State.DELIVERED} if entry.again else {entry.standing}
            assert standing.state in allowed

    def places(self, *states: State) -> set[Place]:
        """The deliveries in one of these states, but for those that need not come again."""
        return {place for place, entry in self.entries.items() if entry.state in states and not entry.again}
