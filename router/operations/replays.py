"""All replays of a router's life: begun, looked at, stopped."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Self

import anyio
import msgspec
from anyio.abc import TaskGroup

from router.config.names import check_name
from router.operations.answers import ReplayList, ReplayTold
from router.operations.errors import AskedWrongError, NotNowError, NotThereError
from router.operations.moments import moment
from router.operations.names import check_known
from router.operations.questions import ListQuery, ReplayQuery
from router.operations.replay import Ground, Replay
from router.operations.walking import window

RESTS = 100
"""Ended replays that are remembered."""

AT_ONCE = 4
"""Replays under way at the same time."""


class Replays:
    """All replays of a router's life. They run as long as the context is open."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._all: dict[str, Replay] = {}
        self._stack = AsyncExitStack()
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._group = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_all("the router ended")
        await self._stack.aclose()

    def stop_all(self, reason: str) -> None:
        """Let every replay end where it is."""
        for replay in self._all.values():
            replay.stop(reason)

    async def begin(self, query: ReplayQuery) -> ReplayTold:
        """Begin one.

        Raises:
            AskedWrongError: it can never be like this.
            NotThereError: there is no such rule or target.
            NotNowError: there is one of this name, or there are too many.
        """
        ground = self._ground
        assert self._group is not None
        now = ground.clock.now()
        name = query.name or f"replay-{moment(now):%Y%m%d-%H%M%S-%f}"
        until = query.until or moment(now)
        if query.since >= until:
            raise AskedWrongError("a replay's since must be before its until")
        first, last = await window(ground.store, query.since, until)
        self._check(query, name)  # last of all: from here on nobody else can take the name
        asked = msgspec.structs.replace(query, name=name, until=until)
        self._all.pop(name, None)  # a dry one, which leaves its name to others, or one that is gone on with
        after = -1 if query.after is None else query.after
        replay = self._all[name] = Replay(ground, asked, max(first, after + 1), last)
        self._group.start_soon(replay.run)
        self._forget()
        return replay.told()

    def page(self, query: ListQuery) -> ReplayList:
        """The next of them, in the order in which they began.

        Raises:
            NotThereError: there is none to go on after.
        """
        names = list(self._all)
        begin = 0 if query.after is None else names.index(self._find(query.after).told().name) + 1
        shown = names[begin : begin + query.most]
        more = begin + query.most < len(names)
        return ReplayList(replays=tuple(map(self.named, shown)), next=shown[-1] if more else None)

    def named(self, name: str) -> ReplayTold:
        """One of them.

        Raises:
            NotThereError: there is none of this name.
        """
        return self._find(name).told()

    def stop(self, name: str) -> ReplayTold:
        """End one before its time; one that has ended stays as it is.

        Raises:
            NotThereError: there is none of this name.
        """
        replay = self._find(name)
        replay.stop("an operator stopped it")
        return replay.told()

    def _find(self, name: str) -> Replay:
        if name not in self._all:
            raise NotThereError(f"there is no replay {name[:100]!r} since this router's start")
        return self._all[name]

    def _check(self, query: ReplayQuery, name: str) -> None:
        try:
            check_name(name)
        except ValueError as error:
            raise AskedWrongError(f"name: {error}") from None
        deployment = self._ground.deployment()
        check_known("rule", query.rule, [rule.name for rule in deployment.rules])
        check_known("target", query.target, list(deployment.targets))
        running = [replay for replay in self._all.values() if not replay.told().state.is_end]
        before = self._all.get(name)
        if before in running:  # whoever lost sight of it would make all of it again under another name
            raise NotNowError(f"the replay {name!r} is under way; wait for it, or stop it")
        if before is not None and query.after is None and not before.told().dry:
            raise NotNowError(f"there has been a replay {name!r} already; give this one another name")
        if len(running) >= AT_ONCE:
            raise NotNowError(f"{AT_ONCE} replays are under way; wait for one of them, or stop it")

    def _forget(self) -> None:
        ended = [name for name, replay in self._all.items() if replay.told().state.is_end]
        for name in ended[: max(len(ended) - RESTS, 0)]:
            del self._all[name]
