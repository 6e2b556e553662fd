"""Composition root: puts a router together from its parts, runs it, and takes it apart again."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import structlog
from starlette.types import ASGIApp

from router.clock import Clock, SystemClock
from router.delivery.engine import Engine, Way
from router.delivery.retry import Policy
from router.errors import ConfigurationError
from router.rules.model import Deployment
from router.service import Observer, Service, Silent
from router.settings import Settings, is_loopback
from router.sources.alibaba import AlibabaSource
from router.sources.baidu import BaiduSource
from router.sources.base import Source
from router.sources.cloudevents import CloudEventsSource
from router.sources.tencent import TencentSource
from router.store.base import Store
from router.store.sqlite import SqliteStore
from router.targets.base import Surroundings
from router.targets.registry import installed_kinds
from router.targets.spec import TargetSpec
from router.web.app import build
from router.web.ingest import Ingest
from router.web.server import REQUEST_GRACE, Server, listen, url_of

GRACE = 10.0
"""Seconds that attempts under way may take to end when the router stops."""

LAST_GRACE = 5.0
"""Seconds after all other grace until the process ends, whatever still hangs."""

SOURCES: Mapping[str, type[Source]] = {
    "cloudevents": CloudEventsSource,
    "alibaba": AlibabaSource,
    "baidu": BaiduSource,
    "tencent": TencentSource,
}
"""The kinds of source, by the word that `router.yml` uses."""

SOURCE_PATHS = {kind: tuple(make().paths) for kind, make in SOURCES.items()}
"""Where each kind listens if nobody says otherwise."""

log = structlog.stdlib.get_logger(__name__)


class ExposedError(ConfigurationError):
    """The router would listen to strangers without asking who they are."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a router is put together from."""

    deployment: Deployment
    settings: Settings
    data: Path
    clock: Clock = field(default_factory=SystemClock)
    observer: Observer = field(default_factory=Silent)
    insecure: bool = False


class Router:
    """A running router.

    Attributes:
        url: where it listens.
        store: what it holds.
    """

    def __init__(self, url: str, store: Store, server: Server, engine: Engine) -> None:
        self.url = url
        self.store = store
        self._server = server
        self._engine = engine
        self._ended = anyio.Event()

    async def stop(self) -> None:
        """Take no new request; return when requests and attempts under way have ended."""
        self._server.should_exit = True
        await self._ended.wait()

    async def run(self, sockets: list[socket.socket]) -> None:
        """Run until `stop`."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._engine.run, GRACE)
            await self._server.serve(sockets)
            self._engine.stop()
        self._ended.set()


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[Router]:
    """A router that listens as long as the context is open, and on leaving it ends what is under way.

    Raises:
        ConfigurationError: it cannot run like this: the address is taken, the folder in use, a target's
            settings ask for what cannot be had.
    """
    settings = parts.settings
    loopback = is_loopback(settings.host)
    if not loopback and not parts.insecure:
        raise ExposedError(
            f"refused to listen on {settings.host}: no source verifies who sends, so anybody could; "
            "listen on 127.0.0.1, or say --insecure"
        )
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(listen(settings.host, settings.port))
        store = SqliteStore(parts.data, parts.clock)
        stack.push_async_callback(store.close)
        service = Service(
            store=store, deployment=parts.deployment, clock=parts.clock, observer=parts.observer
        )
        await service.open()
        ways = {}
        for name, spec in parts.deployment.targets.items():
            ways[name] = await _open(stack, spec, Surroundings(name, parts.data, loopback))
        engine = Engine(
            store=store,
            ways=ways,
            render=service.render,
            clock=parts.clock,
            chance=random.random,
            observer=parts.observer,
        )
        router = Router(url_of(listening), store, Server(build(_doors(parts, service))), engine)
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(router.run, [listening])
        yield router
        await router.stop()


async def serve(parts: Parts, last_words: Callable[[], None]) -> None:
    """Run a router until SIGTERM or SIGINT, then drain.

    A second signal ends the process at once; nothing that was accepted is lost by that.

    Args:
        parts: what to run.
        last_words: writes what the log still holds back, for an end that cannot wait for anything else.
    """
    async with running(parts) as router:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            log.info(
                "router.started",
                url=router.url,
                data=str(parts.data),
                rules=len(parts.deployment.rules),
                targets=len(parts.deployment.targets),
                version=parts.deployment.version,
            )
            await _tell_backlog(router.store, parts.deployment)
            async for number in signals:
                log.info("router.stopping", signal=signal.Signals(number).name)
                _end_in_any_case(last_words)
                break
        await router.stop()
        waiting = await router.store.tally()
    left = {target: tally.pending + tally.retrying for target, tally in waiting.items()}
    log.info("router.stopped", waiting={target: count for target, count in left.items() if count})


def _end_in_any_case(last_words: Callable[[], None]) -> None:
    """A thread that hangs in a write, to a pipe nobody reads or a lost NFS, does not keep the process."""

    def end() -> None:
        log.error("router.cut_short", hint="something did not end in time; what was accepted is on disk")
        last_words()
        os._exit(0)

    timer = threading.Timer(REQUEST_GRACE + GRACE + LAST_GRACE, end)
    timer.daemon = True
    timer.start()


async def _tell_backlog(store: Store, deployment: Deployment) -> None:
    """Say what an earlier life has left, and what of it nobody will fetch."""
    for target, tally in (await store.tally()).items():
        left = {"target": target, "waiting": tally.pending + tally.retrying, "dead": tally.dead}
        if target not in deployment.targets:
            hint = "no target has this name now; what waits goes out when one has it again"
            log.warning("target.gone", **left, hint=hint)
        elif left["waiting"]:
            log.info("target.backlog", **left)


async def _open(stack: AsyncExitStack, spec: TargetSpec, surroundings: Surroundings) -> Way:
    kind = installed_kinds().kind(spec.kind)
    target = await stack.enter_async_context(kind.open(spec.settings, surroundings))
    retry = spec.retry
    policy = Policy(attempts=retry.attempts, within=retry.within, first=retry.first, most=retry.most)
    return Way(target, policy, spec.concurrency or target.concurrency)


def _doors(parts: Parts, service: Service) -> dict[str, ASGIApp]:
    doors: dict[str, ASGIApp] = {}
    for setting in parts.settings.sources:
        source = SOURCES[setting.kind]()
        door = Ingest(setting.name, source, service, parts.clock, parts.settings.body)
        doors |= dict.fromkeys(setting.paths, door)
    return doors
