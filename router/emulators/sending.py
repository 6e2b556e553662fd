"""Sends a cloud's requests over HTTP, each until it is taken or lost, and tells of every attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from random import Random

import anyio
import msgspec

from router.clock import Clock
from router.emulators.request import Cloud
from router.emulators.schedule import Course, Then
from router.samples import Sample
from router.targets.answers import retry_after
from router.targets.sender import Sender, SendError

AT_ONCE = 4
"""How many attempts are under way at a time. Whoever waits for a further try is not counted."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, and what comes of it.

    Attributes:
        time: when it was answered.
        event: what was sent: a sample's or a file's name.
        attempt: 1 for the first.
        status: None where there was no answer.
        said: what was wrong, where something was.
        pause: seconds of the cloud's time until the next one.
    """

    time: datetime
    cloud: str
    event: str
    attempt: int
    status: int | None
    said: str
    then: Then
    pause: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run needs besides a cloud and its events.

    Attributes:
        speed: how much faster than on the clock the cloud's pauses pass.
        timeout: seconds an answer may take; never scaled, because the router does not get faster.
        tell: is told of each attempt.
    """

    sender: Sender
    clock: Clock
    random: Random
    tell: Callable[[Attempt], None]
    speed: float = 1.0
    timeout: float = 5.0

    def now(self) -> datetime:
        """The time, for a person."""
        return datetime.fromtimestamp(self.clock.now(), UTC)


async def send_all(cloud: Cloud, url: str, events: Iterable[Sample], around: Surroundings) -> int:
    """Send events as this cloud does; return how many of them were lost.

    First attempts go out in the events' order. An event that waits for its next one holds up no other.

    Args:
        cloud: who sends.
        url: where to, without the events' own paths.
        events: taken from as they are sent.
        around: what else it takes.
    """
    limit = anyio.Semaphore(AT_ONCE)
    lost = 0

    async def one(event: Sample) -> None:
        nonlocal lost
        taken = await _send(cloud, url + event.path, event, around, limit)
        lost += not taken  # not in one line: what others lose meanwhile counts, too

    async with anyio.create_task_group() as group:
        for event in events:
            await limit.acquire()  # `_send` lets go of it
            group.start_soon(one, event)
    return lost


async def _send(cloud: Cloud, url: str, event: Sample, around: Surroundings, limit: anyio.Semaphore) -> bool:
    """Whether it was taken in the end. Called with one place of the limit taken."""
    course = Course(cloud.policy, around.random)
    number = 1
    while True:
        try:
            attempt = await _attempt(cloud, url, event, around, course, number)
        finally:
            limit.release()
        around.tell(attempt)
        if attempt.then is not Then.AGAIN:
            return attempt.then is Then.TAKEN
        await around.clock.sleep_until(around.clock.now() + attempt.pause / around.speed)
        await limit.acquire()
        number += 1


async def _attempt(
    cloud: Cloud, url: str, event: Sample, around: Surroundings, course: Course, number: int
) -> Attempt:
    address = cloud.address(url)
    headers = cloud.headers(address, event.content_type, event.body, around.clock.now())
    status, after, said = None, None, ""
    try:
        reply = await around.sender.send("POST", address, headers, event.body, around.timeout)
    except (SendError, ValueError) as error:
        said = str(error)
    else:
        status = reply.status
        after = retry_after(reply.headers.get("retry-after"), around.clock.now())
        said = "" if status == HTTPStatus.OK else _shown(reply.body)
    then, pause = course.after(status, after)
    return Attempt(
        time=around.now(),
        cloud=cloud.name,
        event=event.name,
        attempt=number,
        status=status,
        said=said,
        then=then,
        pause=pause,
    )


_SHOWN = 200


def _shown(body: bytes) -> str:
    """The beginning of an answer, in one line."""
    return " ".join(body.decode(errors="replace").split())[:_SHOWN]
