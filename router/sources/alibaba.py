"""Alibaba Cloud: EventBridge that pushes the events of Intelligent Media Management (IMM).

The hosted service's own attributes (`aliyun…`) are extensions like any others. They are text and nothing
else: `aliyunpublishtime` comes as `…42.179PRC` in half of the documented samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from router.errors import MessageError
from router.events import Event, EventError, http, json_format
from router.events.received import Original, Reading, Received
from router.sources.base import Answer, Request, overload, refusal
from router.sources.lenient import mend

Decode = Callable[[json_format.Mend], Event]

_LOSSLESS = frozenset(("specversion-defaulted", "id-from-content"))
"""Notes on what was only filled in: the event still holds all that was sent."""


@dataclass(frozen=True, slots=True)
class AlibabaSource:
    """`POST /alibaba`: structured, binary or batch, told apart by what is there, not by Content-Type.

    Which Content-Type the hosted service sends is not documented.
    """

    kind: ClassVar[str] = "alibaba"
    paths: ClassVar[tuple[str, ...]] = ("/alibaba",)

    def read(self, request: Request) -> Received:
        """The events of a push.

        Lenient: without `specversion` it is 1.0, without `id` the content's SHA-256 stands for it, and
        optional attributes that no CloudEvent may carry are put right or left out, each with a note.
        """
        headers, body = request.headers, request.body
        readings: tuple[Reading, ...]
        if http.is_binary(headers):
            readings = (_read(body, lambda mend: http.decode_binary(headers, body, mend)),)
        elif body.lstrip()[:1] == b"[":
            readings = tuple(
                _read(text, _structured(text), f"events[{index}]: ")
                for index, text in enumerate(json_format.split_batch(body))
            )
        else:
            readings = (_read(body, _structured(body)),)
        if all(_LOSSLESS.issuperset(reading.notes) for reading in readings):
            return Received(readings)
        return Received(readings, Original(body, headers.get("content-type")))

    def accepted(self, received: Received) -> Answer:  # noqa: ARG002 (the interface's)
        """200, as every known receiver of these pushes answers."""
        return Answer(200)

    def refused(self, error: MessageError) -> Answer:
        """400 and why."""
        return refusal(error)

    def overloaded(self, retry_after: int) -> Answer:
        """503: EventBridge repeats after 10 to 20 s, or with exponential decay for a day."""
        return overload(503, retry_after)


def _structured(text: bytes) -> Decode:
    return lambda mend: json_format.decode(text, mend)


def _read(text: bytes, decode: Decode, where: str = "") -> Reading:
    notes: list[str] = []

    def forgive(attributes: dict[str, Any]) -> None:
        if attributes.get("specversion") is None:
            attributes["specversion"] = "1.0"
            notes.append("specversion-defaulted")
        if attributes.get("id") is None:
            attributes["id"] = hashlib.sha256(text).hexdigest()
            notes.append("id-from-content")
        notes.extend(mend(attributes))

    try:
        event = decode(forgive)
    except EventError as error:
        if not where:
            raise
        raise EventError(where + error.message) from None
    return Reading(event, tuple(notes))
