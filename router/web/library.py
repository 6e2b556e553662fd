"""Documents that sources want before they can admit a request: certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import structlog

from router.clock import Clock
from router.errors import RouterError
from router.sources.base import Wanted
from router.targets.sender import Sender, SendError

PATIENCE = 5.0
"""Seconds for one document."""

MOST = 8
"""How many are fetched at one time."""

PAUSE = 10.0
"""Seconds until a document that could not be had is asked for again."""

REMEMBERED = 100
"""How many of these are remembered."""

Done = Callable[[RouterError | None], None]
"""Called when a document was learnt (None), or why it cannot be had now."""

log = structlog.stdlib.get_logger(__name__)


class UnavailableError(RouterError):
    """What is needed to verify the sender cannot be had now; nothing was stored."""


class Library:
    """Fetches them, over HTTPS and without following redirects.

    Args:
        sender: how.
        clock: how long ago a failure was.
    """

    def __init__(self, sender: Sender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock
        self._fetching: dict[str, list[tuple[Wanted, Done]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: dict[str, float] = {}

    def fetch(self, wanted: Wanted, done: Done) -> None:
        """Have it learnt; `done` is called once, on the event loop and never from in here.

        Raises:
            UnavailableError: it could not be had a moment ago, or too many are under way.
        """
        url = wanted.url
        if (waiting := self._fetching.get(url)) is not None:
            waiting.append((wanted, done))
            return
        if 0 <= self._clock.now() - self._failed.get(url, -PAUSE) < PAUSE or len(self._fetching) >= MOST:
            raise UnavailableError
        self._fetching[url] = [(wanted, done)]
        task = asyncio.get_running_loop().create_task(self._get(url))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _get(self, url: str) -> None:
        error: RouterError | None = None
        content = b""
        try:
            content = await self._fetched(url)
        except Exception as fault:  # noqa: BLE001 (whatever it is: somebody waits for an answer)
            told = fault.message if isinstance(fault, RouterError) else repr(fault)
            error = UnavailableError(f"{UnavailableError.__doc__} {url}: {told}")
            self._failed[url] = self._clock.now()
            while len(self._failed) > REMEMBERED:
                del self._failed[next(iter(self._failed))]
            log.warning("certificate.unavailable", url=url, error=told)
        for wanted, done in self._fetching.pop(url):
            if error is None:
                wanted.learn(content)
            done(error)

    async def _fetched(self, url: str) -> bytes:
        if not url.startswith("https://"):
            raise UnavailableError("only https is asked")
        reply = await self._sender.send("GET", url, {}, b"", PATIENCE)
        if reply.status != HTTPStatus.OK:
            raise SendError(f"it answered {reply.status}")
        return reply.body
