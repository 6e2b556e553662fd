"""Opens the targets of a configuration, and exchanges them for those of the next one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus

from router.config.expressions import compile_expression
from router.delivery.engine import OrderBy, Way
from router.delivery.order import OnPoison
from router.delivery.retry import Policy
from router.errors import ConfigurationError
from router.targets.base import Surroundings, Target, Tell, nobody
from router.targets.registry import installed_kinds
from router.targets.spec import Retry, TargetSpec

Use = Callable[[Mapping[str, Way]], Awaitable[None]]
"""Lets deliveries go these ways from now on; returns when all others are unused."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Open:
    """An open target.

    Attributes:
        closing: set to have it closed.
        closed: set when it is.
    """

    spec: TargetSpec
    way: Way
    closing: anyio.Event
    closed: anyio.Event = field(default_factory=anyio.Event)


class Ways:
    """Open targets by name. Each is opened and closed by a task of its own, so anybody may ask for it.

    Args:
        group: where these tasks run; `close` ends them.
        data: the deployment's data folder.
        loopback: whether the router itself listens on loopback only.
        tell: how a target has another one told of something.
    """

    def __init__(self, group: TaskGroup, data: Path, *, loopback: bool, tell: Tell = nobody) -> None:
        self._group = group
        self._data = data
        self._loopback = loopback
        self._tell = tell
        self._open: dict[str, _Open] = {}

    def all(self) -> dict[str, Way]:
        """What is open."""
        return {name: one.way for name, one in self._open.items()}

    async def exchange(self, specs: Mapping[str, TargetSpec], use: Use) -> None:
        """Open these targets, and close those that are not among them; what has not changed stays as it is.

        A target that has changed is closed before it is opened again: two of them may want the same file.
        Meanwhile its deliveries wait.

        Raises:
            ConfigurationError: one cannot be opened; all is as it was before, as far as that can be had.
        """
        before = {name: one.spec for name, one in self._open.items()}
        try:
            await self._become(specs, use)
        except Exception as error:
            await self._restore(before, use)
            if isinstance(error, ConfigurationError):
                raise
            raise ConfigurationError(f"a target cannot be opened: {error!r}") from error

    async def close(self) -> None:
        """Close all of them. Nobody may use them any more."""
        closing, self._open = list(self._open.values()), {}
        for one in closing:
            one.closing.set()
        for one in closing:
            await one.closed.wait()

    async def _restore(self, specs: Mapping[str, TargetSpec], use: Use) -> None:
        """As `exchange`; what cannot be had again is left out, and the log says so."""
        while True:
            try:
                return await self._become(specs, use)
            except Exception:
                (lost,) = islice((name for name in specs if name not in self._open), 1)
                log.exception("target.unopened", target=lost, hint="its deliveries wait for the next reload")
                specs = {name: spec for name, spec in specs.items() if name != lost}

    async def _become(self, specs: Mapping[str, TargetSpec], use: Use) -> None:
        staying = {name: one for name, one in self._open.items() if specs.get(name) == one.spec}
        going = [one for name, one in self._open.items() if name not in staying]
        if going:
            await use({name: one.way for name, one in staying.items()})
        self._open = staying
        for one in going:
            one.closing.set()
        for one in going:
            await one.closed.wait()
        for name, spec in specs.items():
            if name not in self._open:
                self._open[name] = await self._group.start(self._keep, name, spec)
        await use(self.all())

    async def _keep(self, name: str, spec: TargetSpec, *, task_status: TaskStatus[_Open]) -> None:
        """Have a target open until it is closed."""
        kind = installed_kinds().kind(spec.kind)
        opened: _Open | None = None
        try:
            reject = frozenset(spec.retry.reject)
            surroundings = Surroundings(name, self._data, self._loopback, reject, self._tell)
            async with kind.open(spec.settings, surroundings) as target:
                opened = _Open(spec, _way(spec, target), anyio.Event())
                task_status.started(opened)
                await opened.closing.wait()
        except Exception:
            if opened is None:
                raise
            log.exception("target.unclosed", target=name)  # it has done its work: no reason to end the router
        finally:
            if opened is not None:
                opened.closed.set()


def policy_of(retry: Retry) -> Policy:
    """How long a target is tried, as the configuration has it."""
    return Policy(attempts=retry.attempts, within=retry.within, first=retry.first, most=retry.most)


def _way(spec: TargetSpec, target: Target) -> Way:
    order = None
    if spec.order_by is not None:
        order = OrderBy(compile_expression(spec.order_by), OnPoison(spec.on_poison or OnPoison.BLOCK))
    concurrency = spec.concurrency or target.concurrency
    return Way(target, policy_of(spec.retry), concurrency, spec.rate, order, spec.dead_letter)
