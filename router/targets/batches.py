"""Several messages in one request: a CloudEvents batch, or JSON lines. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from router.config.units import Duration, Whole
from router.events.json_text import is_json
from router.events.model import is_json_media_type, text_of
from router.targets.base import Message
from router.targets.lines import one_line

LINES = "application/x-ndjson"
"""The usual name of JSON lines (https://github.com/ndjson/ndjson-spec); none is registered."""


class Batch(BaseModel):
    """Several events in one request.

    Attributes:
        size: how many at most.
        linger: how long one waits for others, in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Annotated[Whole, Field(ge=2, le=10_000)] = 100
    linger: Annotated[Duration, Field(ge=0, le=10)] = 0.0


def key_of(messages: Sequence[Message]) -> str:
    """An idempotency key: the delivery's own where there is one, else the same for the same deliveries."""
    if len(messages) == 1:
        return messages[0].id
    return hashlib.sha256("\n".join([message.id for message in messages]).encode()).hexdigest()[:32]


def lines_of(messages: Sequence[Message]) -> bytes:
    """The payloads, or the bodies that transforms made, each as one line of JSON.

    What is no JSON is a string; where there is no payload, the line is `null`.
    """
    return b"".join(_line(message) + b"\n" for message in messages)


def _line(message: Message) -> bytes:
    event, body = message.event, message.body
    if body is not None:
        content, is_plain = body.content, is_json_media_type(body.content_type) and is_json(body.content)
    elif event.data is None:
        return b"null"
    else:
        content, is_plain = event.data, event.is_json
    return one_line(content) if is_plain else msgspec.json.encode(text_of(content))
