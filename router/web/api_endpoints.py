"""What the API can do: one entry for each method and path, from which it is served and described."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from router.operations import answers, questions
from router.operations.base import Operations
from router.operations.errors import AskedWrongError


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read.

    Attributes:
        path: what stands for the names in the path.
        given: an instance of the endpoint's `query` or `body`.
    """

    path: Mapping[str, str]
    given: Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing that can be asked or done.

    Attributes:
        path: below /api/v1, with names in braces.
        does: for the description.
        answer: what a success is answered with.
        call: does it.
        query: what the query string holds; None for nothing.
        body: what the JSON body holds; None for no body.
    """

    method: str
    path: str
    does: str
    answer: type[Struct]
    call: Callable[[Operations, Asked], Awaitable[Struct]]
    query: type[Struct] | None = None
    body: type[Struct] | None = None


def _sequence(asked: Asked) -> int:
    text = asked.path["sequence"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 -- 64 bits
        raise AskedWrongError(f"{text[:100]!r} is no sequence: that is a number")
    return int(text)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/status",
        "How the router and its targets fare.",
        answers.Status,
        lambda operations, _: operations.status(),
    ),
    Endpoint(
        "GET",
        "/events",
        "Accepted events, the newest first.",
        answers.EventPage,
        lambda operations, asked: operations.events(asked.given),
        query=questions.EventQuery,
    ),
    Endpoint(
        "GET",
        "/events/{sequence}",
        "One event, and what became of it.",
        answers.EventTold,
        lambda operations, asked: operations.event(_sequence(asked)),
    ),
    Endpoint(
        "GET",
        "/deliveries",
        "Deliveries that are not made yet, and dead ones, the oldest event's first.",
        answers.DeliveryPage,
        lambda operations, asked: operations.deliveries(asked.given),
        query=questions.DeliveryQuery,
    ),
    Endpoint(
        "POST",
        "/deliveries/redrive",
        "Make dead deliveries again; with `to`, make what waits for one target to another.",
        answers.Changed,
        lambda operations, asked: operations.redrive(asked.given),
        body=questions.Redrive,
    ),
    Endpoint(
        "POST",
        "/deliveries/drop",
        "Never make these deliveries.",
        answers.Changed,
        lambda operations, asked: operations.drop(asked.given),
        body=questions.Drop,
    ),
    Endpoint(
        "GET",
        "/deliveries/{id}",
        "One delivery with all its attempts, also one that was made.",
        answers.DeliveryTold,
        lambda operations, asked: operations.delivery(asked.path["id"]),
    ),
    Endpoint(
        "GET",
        "/replays",
        "The replays since the router's start, oldest first.",
        answers.ReplayList,
        lambda operations, asked: operations.replays(asked.given),
        query=questions.ListQuery,
    ),
    Endpoint(
        "POST",
        "/replays",
        "Begin to send archived events through today's rules again.",
        answers.ReplayTold,
        lambda operations, asked: operations.replay(asked.given),
        body=questions.ReplayQuery,
    ),
    Endpoint(
        "GET",
        "/replays/{name}",
        "How far a replay is.",
        answers.ReplayTold,
        lambda operations, asked: operations.replay_named(asked.path["name"]),
    ),
    Endpoint(
        "DELETE",
        "/replays/{name}",
        "End a replay before its time.",
        answers.ReplayTold,
        lambda operations, asked: operations.stop_replay(asked.path["name"]),
    ),
)
"""All of them. Where two paths fit, the first one counts."""
