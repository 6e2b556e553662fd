"""A router's life as a process: signals, changed files, and what the log says of both."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable

import anyio
import structlog
from anyio import to_thread

from router.config.names import QUARANTINE
from router.config.watching import Files, watch
from router.errors import ConfigurationError
from router.main import GRACE, Parts, Router, running
from router.rules.model import Deployment
from router.store.base import Store, StoreError
from router.web.server import REQUEST_GRACE

LAST_GRACE = 5.0
"""Seconds after all other grace until the process ends, whatever still hangs."""

SECRETS = 2.0
"""Seconds between two looks at the files that hold secrets."""

log = structlog.stdlib.get_logger(__name__)


async def serve(
    parts: Parts,
    last_words: Callable[[], None],
    reread: Callable[[], Parts],
    files: Files,
) -> None:
    """Run a router until SIGTERM or SIGINT, then drain. SIGHUP has it read its configuration again.

    A second signal ends the process at once; nothing that was accepted is lost by that.

    Args:
        parts: what to run.
        last_words: writes what the log still holds back, for an end that cannot wait for anything else.
        reread: reads the configuration anew; called in a thread. Raises ConfigurationError.
        files: what is read; a change of these has it reread, too.
    """
    async with running(parts) as router:
        async with anyio.create_task_group() as group:
            reloads = Reloads(router, reread, files)
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
                log.info(
                    "router.started",
                    url=router.url,
                    data=str(parts.data),
                    rules=len(parts.deployment.rules),
                    targets=len(parts.deployment.targets),
                    version=parts.deployment.version,
                )
                await _tell_backlog(router.store, parts.deployment)
                _settle_memory()
                group.start_soon(reloads.run)
                group.start_soon(reloads.watch)
                group.start_soon(reloads.watch_secrets)
                async for number in signals:
                    if number == signal.SIGHUP:
                        reloads.ask()
                        continue
                    log.info("router.stopping", signal=signal.Signals(number).name)
                    _end_in_any_case(last_words)
                    break
            group.cancel_scope.cancel()
        await router.stop()
        waiting = await router.store.tally()
    left = {target: tally.pending + tally.retrying for target, tally in waiting.items()}
    log.info("router.stopped", waiting={target: count for target, count in left.items() if count})


class Reloads:
    """Has a router run its configuration as it stands in the files now, each time somebody asks.

    A configuration that is broken, or cannot be had, leaves the old one running, and the log says so.
    """

    def __init__(self, router: Router, reread: Callable[[], Parts], files: Files) -> None:
        self._router = router
        self._reread = reread
        self._files = files
        self._asked = anyio.Event()
        self._told = False

    def ask(self) -> None:
        """Somebody said so: tell what came of it, whatever it is."""
        self._told = True
        self._asked.set()

    async def watch(self) -> None:
        """Look at the files each time they change, for ever."""
        try:
            await watch(self._files.paths, self._look)
        except Exception as error:  # noqa: BLE001 (a machine may be out of inotify watches, a folder may go)
            log.warning("reload.unwatched", error=str(error), hint="send SIGHUP after a change")

    async def watch_secrets(self) -> None:
        """Look at the files that hold secrets every now and then, for ever.

        They may be anywhere, and a link of a link: so they are asked, not watched.
        """
        while True:
            await anyio.sleep(SECRETS)
            if self._files.secrets_have_changed():
                self.ask()

    def _look(self) -> None:
        self._asked.set()

    async def run(self) -> None:
        """Have the router run what is in the files, each time there is a reason to look."""
        while True:
            await self._asked.wait()
            self._asked, told, self._told = anyio.Event(), self._told, False
            if not (self._files.have_changed() or told):
                continue
            try:
                changed = await self._router.reload(await to_thread.run_sync(self._reread))
            except (ConfigurationError, StoreError) as error:
                self._router.refused = error.message
                log.error("reload.refused", error=error.message, hint="the old configuration runs on")
                self._told = True  # whatever comes next, the log's last word must not be this
            except Exception:
                log.exception("reload.failed", hint="the old configuration runs on")
                self._told = True
            else:
                self._router.refused = ""
                if changed:
                    _settle_memory()
                if changed or told:
                    await self._tell(changed=changed)

    async def _tell(self, *, changed: bool) -> None:
        deployment = self._router.deployment
        log.info(
            "router.reloaded",
            changed=changed,
            rules=len(deployment.rules),
            targets=len(deployment.targets),
            version=deployment.version,
        )
        await _tell_backlog(self._router.store, deployment)


def _settle_memory() -> None:
    """Have the garbage collector leave alone what lives as long as the configuration.

    Ten thousand rules are a million objects: to look at all of them again and again would cost a tenth of the
    time. What was there before a reload is looked at once more, and goes.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


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
        if target == QUARANTINE:
            if left["dead"]:
                hint = "verified requests that cannot be read; see `router dead --target quarantine`"
                log.warning("quarantine.filled", requests=left["dead"], hint=hint)
        elif target not in deployment.targets:
            hint = "no target has this name now; what waits goes out when one has it again"
            log.warning("target.gone", **left, hint=hint)
        elif left["waiting"]:
            log.info("target.backlog", **left)
