"""The desk of a router that does not run, without the parts that only a running one needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from router.clock import SystemClock
from router.errors import ConfigurationError
from router.operations.desk import Desk
from router.rules.model import Deployment
from router.store.advice import UNBEGUN
from router.store.damage import databases
from router.store.sqlite import SqliteStore


@asynccontextmanager
async def offline(data: Path, read: Callable[[], Deployment] | None = None) -> AsyncIterator[Desk]:
    """The desk over the store of a router that does not run; no router can start meanwhile.

    Args:
        data: the router's data folder.
        read: reads today's rules and targets, once the store is open; None where nobody needs them.

    Raises:
        ConfigurationError: there is no store; it is in use (`FolderInUseError`); it cannot be opened, or the
            rules are broken.
    """
    if not ((data / "lock").exists() or databases(data)):  # a copy may have been made without the lock
        raise ConfigurationError(f"{data} {UNBEGUN}")
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        store = SqliteStore(data, clock)
        stack.push_async_callback(store.close)
        deployment = None if read is None else read()
        if deployment is not None:
            await store.remember(deployment.version, deployment.text)
        yield await stack.enter_async_context(Desk(store, clock, lambda: deployment, None))
