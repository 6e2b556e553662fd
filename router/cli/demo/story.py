"""What happens in the demo, and what is known of it so far."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from operator import itemgetter
from pathlib import Path
from random import Random
from socket import socket
from typing import Protocol

import anyio
from starlette.types import ASGIApp

from router.cli.demo.mail import CLOUDS, letters, order
from router.cli.demo.receiver import Receiver
from router.cli.deployment import Loaded, load
from router.cli.examples import examples
from router.clock import SystemClock
from router.emulators.schedule import Then
from router.emulators.sending import Attempt, Surroundings, send_all
from router.main import Parts, running
from router.store.base import Record, Settlement, State
from router.targets.sender import open_sender
from router.web.server import Server, listen, url_of

PATIENCE = 25.0
"""Seconds until the demo gives up waiting for deliveries."""

ANSWER_WITHIN = 5.0
"""Seconds that the router may take to answer."""

SPEED = 10.0
"""How much faster than in the clouds their pauses pass, should they have to try again."""

WEBHOOKS = ("TRUST_AND_SAFETY_URL", "FAILED_TASKS_URL")
"""The shipped targets' addresses, by the variable that sets them."""


Place = tuple[str, str]
"""A target, and the variant of the body that goes there."""


@dataclass(slots=True)
class Journey:
    """One event's way.

    Attributes:
        ways: for each delivery the latest that is known of it; None before the first attempt.
    """

    record: Record
    ways: dict[Place, Settlement | None] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Nothing of it is under way any more."""
        return all(way is not None and way.state is not State.RETRYING for way in self.ways.values())


class Story:
    """All journeys; the router's observer.

    Attributes:
        refused: what the router did not accept, as a person reads it.
        receiver: what the deliveries over HTTP reach.
        ended: everything was sent, and nothing is under way any more.
    """

    def __init__(self) -> None:
        self.journeys: dict[int, Journey] = {}
        self.refused: list[str] = []
        self.receiver = Receiver()
        self.ended = anyio.Event()
        self._sent = False

    def accepted(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """See `router.service.Observer.accepted`."""
        for sequence, record in zip(sequences, records, strict=True):
            ways = dict.fromkeys((route.target, route.variant) for route in record.routes)
            self.journeys[sequence] = Journey(record, ways)

    def settled(self, settlements: Sequence[Settlement]) -> None:
        """See `router.service.Observer.settled`."""
        for settlement in settlements:
            delivery = settlement.delivery
            journey = self.journeys[delivery.sequence]
            journey.ways[delivery.target, delivery.variant] = settlement
        self._end_if_done()

    def attempted(self, attempt: Attempt) -> None:
        """Take note of what a cloud gives up."""
        if attempt.then is Then.LOST:
            answer = attempt.status or "no answer"
            self.refused.append(f"{attempt.cloud}/{attempt.event}: {answer} {attempt.said}")

    def all_sent(self) -> None:
        """Nothing more is coming."""
        self._sent = True
        self._end_if_done()

    def ways(self) -> list[Settlement | None]:
        """The latest of every delivery."""
        return [way for journey in self.journeys.values() for way in journey.ways.values()]

    def lately(self, most: int) -> list[Journey]:
        """The journeys that are worth a look now: those that are not at their end, then the newest."""
        newest = sorted(self.journeys.items(), key=lambda item: (item[1].ended, -item[0]))[:most]
        return [journey for _, journey in sorted(newest, key=itemgetter(0))]

    @property
    def complete(self) -> bool:
        """Everything was accepted and arrived."""
        arrived = all(way is not None and way.state is State.DELIVERED for way in self.ways())
        return self._sent and not self.refused and arrived and bool(self.journeys)

    def _end_if_done(self) -> None:
        if self._sent and all(journey.ended for journey in self.journeys.values()):
            self.ended.set()


class Audience(Protocol):
    """Who the story is told to."""

    def open(self, url: str, loaded: Loaded) -> None:
        """The curtain rises; the router listens at `url`."""
        ...

    async def watch(self) -> None:
        """Show what happens until cancelled."""
        ...

    def close(self) -> None:
        """Show how it ended."""
        ...

    def stay(self, url: str) -> None:
        """The router keeps serving at `url`."""
        ...


async def tell(story: Story, audience: Audience, *, data: Path, port: int, once: bool) -> None:
    """Run the demo; without `once` the router serves on until it is interrupted."""
    with examples() as folder, listen("127.0.0.1", 0) as hooks:
        environ = dict(os.environ) | {name: f"{url_of(hooks)}/{name.lower()}" for name in WEBHOOKS}
        loaded = load((folder,), environ)
        parts = Parts(
            deployment=loaded.deployment,
            settings=replace(loaded.settings, port=port),
            data=data,
            observer=story,
        )
        async with running(parts) as router, _serving(story.receiver, hooks):
            audience.open(router.url, loaded)
            async with anyio.create_task_group() as group:
                group.start_soon(audience.watch)
                with anyio.move_on_after(PATIENCE):
                    await _send_all(story, router.url)
                    story.all_sent()
                    await story.ended.wait()
                group.cancel_scope.cancel()
            audience.close()
            if not once:
                audience.stay(router.url)
                with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    await anext(aiter(signals))


@contextlib.asynccontextmanager
async def _serving(app: ASGIApp, listening: socket) -> AsyncIterator[None]:
    server = Server(app)
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [listening])
        yield
        server.should_exit = True


async def _send_all(story: Story, url: str) -> None:
    async with open_sender("rule-router-demo") as sender:
        around = Surroundings(
            sender=sender,
            clock=SystemClock(),
            random=Random(),  # noqa: S311 -- when a cloud tries again is no secret
            tell=story.attempted,
            speed=SPEED,
            timeout=ANSWER_WITHIN,
        )
        for cloud in CLOUDS:
            await send_all(cloud, url, letters(cloud), around)
        own = order()
        headers = {"content-type": own.content_type}
        reply = await sender.send("POST", url + own.path, headers, own.body, ANSWER_WITHIN)
        if reply.status != HTTPStatus.ACCEPTED:
            story.refused.append(f"{own.name}: {reply.status} {reply.body.decode(errors='replace')}")
