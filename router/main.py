"""Composition root: puts a router together from its parts, runs it, and takes it apart again."""

from __future__ import annotations

import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import structlog
from starlette.types import ASGIApp

from router import __version__
from router.clock import Clock, SteadyClock, SystemClock
from router.config.names import QUARANTINE
from router.delivery.engine import Engine, Way
from router.delivery.notices import own
from router.duplicates.sieve import Sieve
from router.duplicates.window import Window
from router.errors import ConfigurationError
from router.events import Event
from router.operations.address import BASE, Address, forget, published, reachable
from router.operations.desk import Desk, Live
from router.quarantine import QuarantineTarget, way
from router.reception import Reception
from router.rules.model import Deployment
from router.service import Observer, Service, Silent
from router.settings import Settings, is_loopback, refuse_strangers
from router.sources.base import Source
from router.sources.registry import installed_sources
from router.store.base import Store
from router.store.lock import FolderLock
from router.store.sqlite import SqliteStore
from router.targets.sender import open_sender
from router.upkeep import Bounds, Upkeep
from router.ways import Ways
from router.web.api import api
from router.web.api_access import Access
from router.web.app import Front, build
from router.web.library import Library
from router.web.server import Server, listen, url_of

_PORTION = 1_000
"""How many fingerprints of an earlier life are put into the window at a time."""

GRACE = 10.0
"""Seconds that attempts under way may take to end when the router stops."""

SOURCES: Mapping[str, type[Source]] = installed_sources()
"""The installed kinds of source, by the word that `router.yml` uses; each is imported when asked for."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a router is put together from."""

    deployment: Deployment
    settings: Settings
    data: Path
    clock: SteadyClock = field(default_factory=SystemClock)
    observer: Observer = field(default_factory=Silent)
    insecure: bool = False


class Router:
    """A running router.

    Attributes:
        url: where it listens.
        store: what it holds.
        service: what it does with requests.
        engine: what it does with deliveries.
        desk: what it does for operators.
        address: how these reach it.
        refused: why it does not run what is in the files now; empty where it does.
    """

    def __init__(
        self,
        parts: Parts,
        url: str,
        store: Store,
        service: Service,
        engine: Engine,
        upkeep: Upkeep,
        ways: Ways,
        library: Library,
    ) -> None:
        self.url = url
        self.store = store
        self.service = service
        self.engine = engine
        self._parts = parts
        self._host = parts.settings.host  # a reload changes the settings, and not where it listens
        self._upkeep = upkeep
        self._ways = ways
        self.refused = ""
        self._reception = Reception(SOURCES, service, parts.clock, library)
        self._quarantine = way(QuarantineTarget(self._reception.sources, service, parts.clock.now))
        live = Live(
            conditions=engine.conditions,
            complaints=self.complaints,
            accepted=parts.observer.accepted,
            redriven=engine.look,
            now=engine.now,
            sources=self._reception.status,
            refused=lambda: self.refused,
        )
        self.desk = Desk(store, parts.clock, lambda: self.deployment, live)
        self.address = Address(url=reachable(url), token=secrets.token_urlsafe(32), pid=os.getpid())
        self._front = Front(self._application())
        self._server = Server(self._front)
        self._began = parts
        self._failed = False
        self._reloading = anyio.Lock()
        self._ended = anyio.Event()

    @property
    def deployment(self) -> Deployment:
        """What it runs."""
        return self._parts.deployment

    def complaints(self) -> list[str]:
        """Why it is not ready; empty where it is."""
        return [*self.service.complaints(), *self.engine.complaints()]

    async def open(self) -> None:
        """Open the targets.

        Raises:
            ConfigurationError: one cannot be opened.
        """
        await self._ways.exchange(self._parts.deployment.targets, self._use)

    async def _use(self, ways: Mapping[str, Way]) -> None:
        await self.engine.reload({**ways, QUARANTINE: self._quarantine})

    async def stop(self) -> None:
        """Take no new request; return when what is under way has ended, and the targets are closed.

        Nothing is stored after that: the last checkpoint of a chain is made as its file is closed.
        """
        self.desk.close()
        self._server.should_exit = True
        await self._ended.wait()
        self._reception.close()
        await self._ways.close()

    async def run(self, sockets: list[socket.socket]) -> None:
        """Run until `stop`."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._engine_and_upkeep)
            await self._server.serve(sockets)
            self.engine.stop()
        self._ended.set()

    async def _engine_and_upkeep(self) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._upkeep.run)
            group.start_soon(self.service.watch)
            await self.engine.run(GRACE)
            group.cancel_scope.cancel()

    async def reload(self, parts: Parts) -> bool:
        """Run with other rules, targets, sources and bounds. Whatever waits goes on waiting for its target.

        Returns:
            Whether anything is different from before.

        Raises:
            ConfigurationError: they cannot be had; all is as it was before.
            StoreError: likewise.
        """
        async with self._reloading:
            before = self._parts
            if _what_counts(parts) == _what_counts(before) and not self._failed:
                return False
            if not parts.insecure:
                refuse_strangers(replace(parts.settings, host=self._host))
            await self.service.use(parts.deployment)
            try:
                await self._ways.exchange(parts.deployment.targets, self._use)
            except ConfigurationError:
                self.service.go_back(before.deployment)
                self._failed = True  # not every target may be what it was: the next reload has work to do
                raise
            self._failed = False
            self._parts = parts
            self._upkeep.bounds = _bounds(parts.settings)
            self._front.application = self._application()
            fixed = ("host", "port", "dedupe")
            began = self._began.settings
            stale = [name for name in fixed if getattr(began, name) != getattr(parts.settings, name)]
            if stale:
                log.warning("router.restart_needed", settings=stale, hint="these count from the next start")
            return True

    def _application(self) -> ASGIApp:
        settings = self._parts.settings
        access = Access(self.address.token, loopback=is_loopback(self._host) and settings.public is None)
        mounted = {BASE: api(self.desk, access, self._parts.clock)}
        return build(self._reception.open(settings), self.complaints, self._parts.clock, mounted)


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[Router]:
    """A router that listens as long as the context is open, and on leaving it ends what is under way.

    Raises:
        ConfigurationError: it cannot run like this: the address is taken, the folder in use, a target's
            settings ask for what cannot be had.
    """
    settings, clock = parts.settings, parts.clock
    loopback = is_loopback(settings.host)
    if not parts.insecure:
        refuse_strangers(settings)
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(_listen(parts))
        store = SqliteStore(parts.data, clock)
        stack.push_async_callback(store.close)
        forget(parts.data)
        upkeep = Upkeep(store, clock, _bounds(settings))
        service = Service(
            store=store,
            sieve=Sieve(store, await _window(store, settings.dedupe, clock), clock),
            upkeep=upkeep,
            deployment=parts.deployment,
            clock=clock,
            observer=parts.observer,
        )
        engine = Engine(
            store=store,
            ways={},
            render=service.render,
            clock=clock,
            chance=random.random,
            observer=parts.observer,
        )
        opening = await stack.enter_async_context(anyio.create_task_group())

        async def tell(event: Event, to: str) -> None:
            await store.append([own(event, to, router.deployment.version, clock.now())])

        ways = Ways(opening, parts.data, loopback=loopback, tell=tell)
        stack.push_async_callback(ways.close)
        await service.use(parts.deployment)
        sender = await stack.enter_async_context(open_sender(f"rule-router/{__version__}"))
        library = Library(sender, clock)
        router = Router(parts, url_of(listening), store, service, engine, upkeep, ways, library)
        await router.open()
        await stack.enter_async_context(router.desk)
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(router.run, [listening])
        with published(parts.data, router.address):
            yield router
        await router.stop()


@contextmanager
def _listen(parts: Parts) -> Iterator[socket.socket]:
    """A listening socket. A second router on one folder is told so, rather than that its port is taken."""
    with ExitStack() as stack:
        try:
            listening = stack.enter_context(listen(parts.settings.host, parts.settings.port))
        except ConfigurationError:
            with suppress(OSError):  # it is somebody else's folder: the port is what can be told of
                if (parts.data / "lock").exists():
                    FolderLock(parts.data).release()
            raise
        yield listening


def _what_counts(parts: Parts) -> tuple[object, ...]:
    """What a reload may change; targets beside the version, because secrets are not in its text."""
    return parts.deployment.version, dict(parts.deployment.targets), parts.settings


async def _window(store: Store, seconds: float, clock: Clock) -> Window | None:
    """What an earlier life knew of its senders' tries."""
    if not seconds:
        return None
    window = Window(seconds)
    known = await store.fingerprints(clock.now() - seconds, window.most)
    for start in range(0, len(known), _PORTION):
        sequences, times, fingerprints = zip(*known[start : start + _PORTION], strict=True)
        window.add(fingerprints, sequences, times)
    return window


def _bounds(settings: Settings) -> Bounds:
    return Bounds(settings.archive.within, settings.archive.most, settings.quota)
