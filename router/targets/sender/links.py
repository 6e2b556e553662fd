"""Connections without TLS, each of which has one request under way at most, and pools of them.

Nothing here awaits an answer: who asks says what is to be called with it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from fcntl import ioctl
from termios import FIONREAD
from typing import Final, cast

import msgspec

from router.targets.network.special import Address
from router.targets.sender.answering import Answers, BrokenError
from router.targets.sender.base import SUCCESS, Reply

IDLE_SECONDS: Final = 30.0
"""How long a connection is kept without use. Most servers (nginx: 75 s), balancers (60 s) and firewalls have
more patience, so that mostly it is not they who close it, while a request is on its way."""

IDLE_LINKS: Final = 256
"""How many connections to one address are kept without use."""

STALE_SECONDS: Final = 1.0
"""How soon a kept connection must end for its peer not to have seen the request: as long as bytes travel. Who
ends it later had the request, and may be busy with it."""

_TICK: Final = 0.1
"""Seconds between two looks at who has been waiting for too long: so late may a request end at most."""

_IDLE_TICK: Final = 5.0
_LEARNT_BYTES: Final = 4096


class Lost(msgspec.Struct, frozen=True):
    """There was no answer.

    Attributes:
        reason: as the operating system or the reader of answers puts it.
        stale: whether the connection had served before, and was gone at once, before a byte of this answer:
            the peer closed it, most probably, before it saw the request.
    """

    reason: str
    stale: bool = False


LATE: Final = Lost("the time is over")
CLOSED: Final = Lost("the sender is closed")

_ENDED: Final = "connection closed before message completed"
_UNASKED: Final = "it spoke before it was asked"

_NOTHING: Final = bytes(4)
"""How the operating system says that no bytes wait (ioctl_tty(2))."""

Done = Callable[[Reply | Lost], None]
"""What is called once with what became of a request; not if its connection is given up (`Link.drop`)."""


class Link(asyncio.Protocol):
    """One connection.

    Attributes:
        pool: whose it is.
        began: when the latest request began, seconds of the loop's clock.
        until: when its time is over.
        done: whom to tell; None while nobody has asked.
        gone: why it is of no use any more; empty while it is.
        is_last: whether it is thrown away once it is done.
    """

    __slots__ = (
        "_answers", "_early", "_number", "_transport", "_used", "began", "done", "gone", "is_last", "pool",
        "until",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._transport: asyncio.Transport  # from `connection_made` on
        self._number: int  # the operating system's, from then on
        self._answers = Answers(every_header=pool.links.every_header)
        self._early: Reply | None = None
        self._used = False
        self.began = self.until = pool.links.time()
        self.done: Done | None = None
        self.gone = ""
        self.is_last = False

    def has_unread(self) -> bool:
        """Whether bytes are there that the loop has not read yet: they answer nothing.

        Those that are still on their way cannot be told from an answer.
        """
        unread = self.pool.links.unread
        ioctl(self._number, FIONREAD, unread)
        return unread != _NOTHING

    def begin(self, method: str, data: bytes, until: float, done: Done) -> None:
        """Send a whole request; `done` is called with what became of it, by `until` and a tick."""
        links = self.pool.links
        self.done = done
        self.began = links.time()
        self.until = until
        self._answers.method = method
        if not links.watching:
            links.watch()
        self._transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._number = cast("socket.socket", transport.get_extra_info("socket")).fileno()
        self.pool.links.open.add(self)
        if self.gone:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Something of an answer, or what nobody asked for."""
        done, pool, answers = self.done, self.pool, self._answers
        if done is None:
            self.drop(_UNASKED)
            return
        if self._early is not None:
            return
        if data == pool.learnt and answers.method == pool.learnt_for and not answers.begun:
            reply: Reply | None = pool.reply
        else:
            reply = self._read(data)
        if reply is None:
            return
        is_early = self._transport.get_write_buffer_size() > 0
        if is_early and reply.status in SUCCESS:  # who says yes before all is there still wants the rest
            self._early = reply
            self._transport.set_write_buffer_limits(0)  # so `resume_writing` is called with the last byte
            return
        self.done = None
        self._used = True
        if self.is_last or is_early:
            self.drop(_ENDED)
        else:
            pool.take_back(self)
        done(reply)

    def resume_writing(self) -> None:
        """There is room for more to be written; behind an early answer: the request is out."""
        if self._early is not None:
            self.pool.links.loop.call_soon(self.end, Lost(_ENDED))  # asyncio bears no `abort` in here

    def _read(self, data: bytes) -> Reply | None:
        answers = self._answers
        is_first = not answers.begun
        try:
            reply = answers.feed(data)
        except BrokenError as broken:
            self.end(Lost(str(broken)))
            return None
        if not answers.sound:
            self.is_last = True
        elif is_first and reply is not None and len(data) <= _LEARNT_BYTES:
            self.pool.learn(answers.method, data, reply)
        return reply

    def eof_received(self) -> None:
        """The peer has said all it will ever say."""
        self._break(_ENDED)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._break(_ENDED if exc is None else said(exc))
        self._answers.release()
        self.pool.links.remove(self)

    def _break(self, reason: str) -> None:
        at_once = self.pool.links.time() - self.began < STALE_SECONDS
        self.end(Lost(reason, stale=self._used and at_once and not self._answers.begun))

    def end(self, lost: Lost) -> None:
        """Close, and tell whoever waits: what has come of the answer, if that is one."""
        done = self.done
        self.drop(lost.reason)
        if done is not None:
            done(self._early or self._answers.end() or lost)

    def drop(self, reason: str) -> None:
        """Close at once, and tell nobody."""
        if self.gone:
            return
        self.gone = reason
        self.done = None
        self.pool.forget(self)
        if self in self.pool.links.open:
            self._transport.abort()


class Pool:
    """Connections to one vetted address.

    An answer that is byte for byte one that came before is not read again: what a whole, sound answer in one
    piece means hangs on nothing but its bytes and the method.

    Attributes:
        links: all connections of the sender.
        learnt: an answer's bytes.
        learnt_for: the method that it answered.
        reply: what it means.
    """

    def __init__(self, links: Links, address: Address) -> None:
        self.links = links
        self.learnt = b""
        self.learnt_for = ""
        self.reply: Reply | None = None
        self._address = str(address)
        self._idle: list[Link] = []
        self._is_retired = False

    @property
    def has_idle(self) -> bool:
        """Whether there is a connection that nobody uses."""
        return bool(self._idle)

    def idle(self) -> Link | None:
        """A connection that nobody uses, and that has said nothing since; now it is yours."""
        while self._idle:
            link = self._idle.pop()
            if not link.has_unread():
                return link
            link.drop(_UNASKED)
        return None

    async def connect(self, port: int) -> Link:
        """A new connection. Raises OSError."""
        link = Link(self)
        try:
            await self.links.loop.create_connection(
                lambda: link, self._address, port, flags=socket.AI_NUMERICHOST
            )
        except BaseException:
            # The loop closes it; uvloop does not say so where it was made already.
            link.drop(_ENDED)
            self.links.remove(link)
            raise
        link.is_last = self._is_retired
        return link

    def learn(self, method: str, data: bytes, reply: Reply) -> None:
        """Remember an answer."""
        self.learnt, self.learnt_for, self.reply = data, method, reply

    def take_back(self, link: Link) -> None:
        """Keep a connection for the next request."""
        self._idle.append(link)
        if len(self._idle) > IDLE_LINKS:
            self._idle[0].drop(_ENDED)

    def forget(self, link: Link) -> None:
        """It is closed."""
        if link in self._idle:
            self._idle.remove(link)

    def retire(self) -> None:
        """Close what is idle, and the rest once it is done."""
        self._is_retired = True
        for link in self.links.open:
            if link.pool is self:
                link.is_last = True
        for link in list(self._idle):
            link.drop(_ENDED)


class Links:
    """All connections of one sender, and the watch on their time.

    Attributes:
        open: they, until the last byte of them is gone.
        watching: whether the time of requests is looked at.
        unread: for the operating system, to say how many bytes wait.
    """

    def __init__(self, *, every_header: bool) -> None:
        self.every_header = every_header
        self.loop = asyncio.get_running_loop()
        self.time = self.loop.time
        self.open: set[Link] = set()
        self.watching = False
        self.unread = bytearray(_NOTHING)
        self._timer: asyncio.TimerHandle | None = None
        self._closed: asyncio.Event | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nobody may connect any more."""
        return self._closed is not None

    def watch(self) -> None:
        """Look at the time from now on."""
        self.watching = True
        self._look_after(_TICK)

    def _look_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        now = self.time()
        self.watching = False
        for link in list(self.open):
            if link.done is None:
                if now - link.began > IDLE_SECONDS:
                    link.drop(_ENDED)
            elif link.until <= now:
                link.end(LATE)
            else:
                self.watching = True
        if self.open:
            self._look_after(_TICK if self.watching else _IDLE_TICK)
        else:
            self._timer = None

    def remove(self, link: Link) -> None:
        """Its last byte is gone."""
        self.open.discard(link)
        if self._closed is not None and not self.open:
            self._closed.set()

    async def close(self) -> None:
        """Close all; whoever waits for an answer is told so."""
        if self._timer is not None:
            self._timer.cancel()
        if self._closed is None:
            self._closed = asyncio.Event()
        for link in list(self.open):
            link.end(CLOSED)
        if self.open:
            await self._closed.wait()


def said(error: Exception) -> str:
    """What the operating system says about an error."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)
