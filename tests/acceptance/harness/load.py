"""Sends the oracle's events over keep-alive connections, one thread each, and tells it what was answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from tests.acceptance.harness.connection import TIMEOUT, Connection
from tests.acceptance.harness.oracle import KEYS, Oracle

SIZES = (1, 1, 20, 1, 1, 60, 1, 100)
"""How many events each of the senders puts into a request."""

BUNCHES = (1, 1, 6, 16)
"""How many keys each of the senders has whose events have an order: of each key, one is in a request."""

assert sum(BUNCHES) == KEYS

MOST_KEYED = 2_000
"""How many events with a key are allowed at a time: in an order, they take a commit each to deliver."""

ACCEPTED, BUSY = 202, 429


@dataclass(slots=True)
class _Sender:
    """What one of them sends.

    Attributes:
        size: so many events in a request.
        keys: the next event of each of these, once the one before is accepted; None for events without a key.
        again: what had no answer, and is sent again until it has one: nothing of its keys goes before it.
    """

    size: int
    keys: range | None = None
    again: Sequence[int] = ()

    @property
    def is_keyed(self) -> bool:
        """Whether its events have a key."""
        return self.keys is not None


def _senders() -> list[_Sender]:
    senders = [_Sender(size) for size in SIZES]
    first = 0
    for size in BUNCHES:
        senders.append(_Sender(size, range(first, first + size)))
        first += size
    return senders


class Load:
    """A number of senders. They send what is `allow`ed while there is a router to send to.

    Attributes:
        when_sent: called, once, when a request is on its way and not answered yet.
        when_accepted: called, once, when one was answered with success.
    """

    def __init__(self, oracle: Oracle) -> None:
        self.when_sent: Callable[[], None] | None = None
        self.when_accepted: Callable[[], None] | None = None
        self._oracle = oracle
        self._changed = threading.Condition()
        self._url = ""
        self._life = 0
        self._allowed = {True: 0, False: 0}
        self._under_way = 0
        self._ended = False
        self._senders = _senders()
        self._threads = [
            threading.Thread(target=self._run, args=(one,), daemon=True) for one in self._senders
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def point_at(self, url: str) -> None:
        """A router listens there now."""
        with self._changed:
            self._url, self._life = url, self._life + 1
            self._changed.notify_all()

    def allow(self, count: int) -> None:
        """Send so many more, half of them with a key, or as many as `MOST_KEYED`."""
        with_key = min(count // 2, MOST_KEYED)
        with self._changed:
            for keyed, share in ((True, with_key), (False, count - with_key)):
                self._allowed[keyed] = max(self._allowed[keyed], 0) + share
            self._changed.notify_all()

    def stop(self) -> None:
        """Send nothing more; return when nothing is under way any more."""
        with self._changed:
            self._allowed = dict.fromkeys(self._allowed, 0)
            assert self._changed.wait_for(lambda: not self._under_way, 2 * TIMEOUT), "a request does not end"

    def give_up(self) -> None:
        """What had no answer is not sent again. There must be no router that could answer yet."""
        with self._changed:
            allowed, self._allowed = self._allowed, dict.fromkeys(self._allowed, 0)
            assert self._changed.wait_for(lambda: not self._under_way, 2 * TIMEOUT), "a request does not end"
            for sender in self._senders:
                sender.again = ()
            self._allowed = allowed
            self._changed.notify_all()

    def _run(self, sender: _Sender) -> None:
        life, connection = 0, None
        while (there := self._wait_for_a_router(sender, life)) is not None:
            url, current = there
            try:
                if connection is not None and connection.is_over():
                    connection.close()
                    connection = None
                connection = connection or Connection(url)
                if numbers := self._begin(sender):
                    self._exchange(connection, sender, numbers)
            except OSError as error:
                if connection is not None:
                    connection.close()
                connection = None
                if isinstance(error, ConnectionRefusedError):
                    life = current  # it is dead: wait for the next one
        if connection is not None:
            connection.close()

    def _wait_for_a_router(self, sender: _Sender, life: int) -> tuple[str, int] | None:
        """One that came after this life, once something may be sent; None at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or (self._allowed[sender.is_keyed] > 0 and self._life > life)
            )
            return None if self._ended else (self._url, self._life)

    def _begin(self, sender: _Sender) -> Sequence[int]:
        """The numbers to send; none where somebody else was faster."""
        with self._changed:
            if self._allowed[sender.is_keyed] <= 0:
                return ()
            self._allowed[sender.is_keyed] -= sender.size
            self._under_way += 1
        if sender.again:
            return sender.again
        if sender.keys is not None:
            return self._oracle.issue_next(sender.keys)
        return self._oracle.issue(sender.size)

    def _exchange(self, connection: Connection, sender: _Sender, numbers: Sequence[int]) -> None:
        try:
            self._send(connection, sender, numbers)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _send(self, connection: Connection, sender: _Sender, numbers: Sequence[int]) -> None:
        may_be_stored = bool(sender.again)
        sender.again = () if sender.keys is None else numbers
        body, content_type = _request(self._oracle, numbers)
        connection.send(body, content_type)
        self._spring("when_sent")
        status = connection.status()
        if status == BUSY and may_be_stored:
            return
        sender.again = ()
        if status == ACCEPTED:
            self._oracle.promise(numbers)
            self._spring("when_accepted")
        elif status == BUSY:
            self._oracle.refuse(numbers)
        else:
            self._oracle.complain("answers", f"events {numbers} were answered {status}")

    def _spring(self, name: str) -> None:
        with self._changed:
            trap = getattr(self, name)
            setattr(self, name, None)
        if trap is not None:
            trap()


def _request(oracle: Oracle, numbers: Sequence[int]) -> tuple[bytes, str]:
    envelopes = [oracle.envelope(number) for number in numbers]
    if len(envelopes) == 1:
        return envelopes[0], "application/cloudevents+json"
    return b"[" + b",".join(envelopes) + b"]", "application/cloudevents-batch+json"
