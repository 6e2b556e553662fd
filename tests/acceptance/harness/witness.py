"""The targets: a receiver that reports to the oracle, behaves badly where told to, and springs traps."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from tests.acceptance.harness.oracle import ORDERED, Oracle
from tests.receiver import DROP, Answer, Gate, Receiver, Request

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3})")


class Manner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a target says to some requests.

    Attributes:
        times: to how many in a row.
        hold: answer only when so many more have come, or the fault is over.
        taken: whether the target keeps what it was sent; None for what its status says.
        raw, then: as in `tests.receiver.Answer`.
    """

    times: int = 1
    status: int = 200
    headers: Mapping[str, str] = {}
    hold: int = 0
    taken: bool | None = None
    raw: str | None = None
    then: str = "keep"

    def answer(self, gate: Gate | None) -> Answer:
        """For the receiver."""
        raw = None if self.raw is None else self.raw.encode()
        return Answer(self.status, self.headers, b"", gate, raw, self.then)

    def takes(self) -> bool:
        """Whether the event counts as processed."""
        if self.taken is not None:
            return self.taken
        if self.raw is None:
            return 200 <= self.status < 300
        said = _STATUS.match(self.raw.encode())
        return said is not None and said[1].startswith(b"2")


class Trap:
    """Something that is done at a moment of the receiver's life; once.

    Attributes:
        moment: `dispatch` (a request is open), `answered` (its answer is out), `settling` (the router has
            read the answer, and sends the next request on the same connection).
        count: how many such moments pass before it.
        target: of whose requests; empty for all.
    """

    def __init__(self, moment: str, count: int, spring: Callable[[], None], target: str = "") -> None:
        self.moment = moment
        self.count = count
        self.target = target
        self.spring = spring
        self.connections: set[int] = set()

    def is_sprung(self, request: Request) -> bool:
        """Whether this request is the moment."""
        if not request.target.startswith(f"/{self.target}"):
            return False
        known = request.connection in self.connections
        self.connections.add(request.connection)
        if self.moment == "settling" and not known:
            return False
        self.count -= 1
        return self.count == 0


class _Envelope(msgspec.Struct):
    id: str
    data: msgspec.Raw


_ONE = msgspec.json.Decoder(_Envelope)
_MANY = msgspec.json.Decoder(list[_Envelope])


class Witness(Receiver):
    """The HTTP targets. The path's first step names the target.

    Attributes:
        asked: how many requests each target got.
    """

    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self.asked = Counter[str]()
        self._oracle = oracle
        self._manners: dict[str, Iterator[Manner]] = {}
        self._gates: list[tuple[int, Gate]] = []
        self._trap: Trap | None = None

    def behave(self, target: str, manners: list[Manner]) -> None:
        """From now on it answers like this, in turn, for ever."""
        turns = itertools.cycle(itertools.chain.from_iterable([each] * each.times for each in manners))
        with self._changed:
            self._manners[target] = turns

    def recover(self, target: str) -> None:
        """From now on it works; what it held back is answered."""
        with self._changed:
            self._manners.pop(target, None)
            held, self._gates = self._gates, []
        for _, gate in held:
            gate.open()

    def set_trap(self, trap: Trap) -> None:
        """Have something done at a moment."""
        with self._changed:
            self._trap = trap

    def wait_until_asked(self, target: str, count: int, timeout: float = 60.0) -> None:
        """Block until a target got so many requests in all, or everything it is owed for now."""

        def is_over() -> bool:
            return self.asked[target] >= count or not self._oracle.missing([target])

        self._until(is_over, f"{count} requests to {target}", timeout)

    def take(self, request: Request) -> Answer:
        """See `Receiver.take`. Remembers nothing but what the oracle wants to know."""
        target = request.target.split("/")[1]
        with self._changed:
            self.asked[target] += 1
            self._changed.notify_all()
            self._open_gates(self.asked[target])
            trap = self._sprung(request)
            turns = self._manners.get(target)
            manner = next(turns) if turns is not None else Manner()
        if trap is not None and trap.moment != "answered":
            self._note(target, request, kept=False)
            trap.spring()
            return DROP  # nobody is there to read an answer
        if manner.takes() and not self._testify(target, request):
            manner = Manner(status=400)
        self._note(target, request, kept=manner.takes())
        with self._changed:
            self._changed.notify_all()
        if trap is not None:
            asyncio.get_running_loop().call_soon(trap.spring)  # after the answer has been written
        return manner.answer(self._gate(manner, self.asked[target]))

    def _sprung(self, request: Request) -> Trap | None:
        if self._trap is None or not self._trap.is_sprung(request):
            return None
        trap, self._trap = self._trap, None
        return trap

    def _testify(self, target: str, request: Request) -> bool:
        """Report what came; False where it must be refused, because there is a wrong event in it."""
        events = _events(target, request)
        key = None if _is_batch(request) else request.headers["idempotency-key"]
        if any(self._oracle.is_poisoned(int(event.id)) for event in events):
            return False
        for event in events:
            self._oracle.take(target, event.id, bytes(event.data), key)
        return True

    def _note(self, target: str, request: Request, *, kept: bool) -> None:
        """Report what came where the order matters."""
        if self._oracle.moved.get(target, target) == ORDERED:
            for event in _events(target, request):
                self._oracle.see(event.id, kept=kept)

    def _gate(self, manner: Manner, asked: int) -> Gate | None:
        if not manner.hold:
            return None
        gate = self.gate()
        with self._changed:
            self._gates.append((asked + manner.hold, gate))
        return gate

    def _open_gates(self, asked: int) -> None:
        due = [gate for when, gate in self._gates if when <= asked]
        self._gates = [(when, gate) for when, gate in self._gates if when > asked]
        for gate in due:
            gate.open()


def _events(target: str, request: Request) -> list[_Envelope]:
    if target == "raw":
        return [_Envelope(request.headers["ce-id"], msgspec.Raw(request.body))]
    return _MANY.decode(request.body) if _is_batch(request) else [_ONE.decode(request.body)]


def _is_batch(request: Request) -> bool:
    return request.headers["content-type"].startswith("application/cloudevents-batch+json")


class _Line(msgspec.Struct):
    id: str
    event: _Envelope


def read_lines(file: Path, oracle: Oracle) -> None:
    """Report what the file target has written, anew."""
    oracle.forget("file")
    decoder = msgspec.json.Decoder(_Line)
    with file.open("rb") as lines:
        for line in lines:
            found = decoder.decode(line)
            oracle.take("file", found.event.id, bytes(found.event.data), found.id)
