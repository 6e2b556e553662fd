"""Alibaba Cloud: EventBridge that pushes the events of Intelligent Media Management (IMM).

The hosted service's own attributes (`aliyun…`) are extensions like any others. They are text and nothing
else: `aliyunpublishtime` comes as `…42.179PRC` in half of the documented samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from router.events import Event, EventError, http, json_format
from router.events.received import Original, Reading, Received
from router.sources.base import MAX_EVENTS, Plain, Request
from router.sources.lenient import mend
from router.sources.settings import Keys, SourceSettings, Tokens

Decode = Callable[[json_format.Mend], Event]

_LOSSLESS = frozenset(("specversion-defaulted", "id-from-content"))
"""Notes on what was only filled in: the event still holds all that was sent."""


class AlibabaSettings(SourceSettings, Tokens, Keys):
    """Under `sources:`, `kind: alibaba`."""


@dataclass(frozen=True, slots=True)
class AlibabaSource(Plain):
    """`POST /alibaba`: structured, binary or batch, told apart by what is there, not by Content-Type.

    Which Content-Type the hosted service sends is not documented.

    Attributes:
        success: 200, as every known receiver of these pushes answers.
        later: 503; EventBridge repeats after 10 to 20 s, or with exponential decay for a day.
    """

    shape: ClassVar[type[SourceSettings]] = AlibabaSettings
    kind: ClassVar[str] = "alibaba"
    keeps_unreadable: ClassVar[bool] = True
    paths: ClassVar[tuple[str, ...]] = ("/alibaba",)
    success: ClassVar[int] = 200
    later: ClassVar[int] = 503

    settings: AlibabaSettings = AlibabaSettings(kind="alibaba")

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return bool(self.settings.all_tokens)

    def admit(self, request: Request) -> None:
        """See `Source.admit`."""

    def read(self, request: Request) -> Received:
        """The events of a push.

        Lenient: without `specversion` it is 1.0, without `id` the SHA-256 of all that was sent of the event
        stands for it, and optional attributes that no CloudEvent may carry are put right or left out, each
        with a note.
        """
        headers, body = request.headers, request.body
        readings: tuple[Reading, ...]
        if http.is_binary(headers):
            sent = _described(headers) + body
            readings = (_read(sent, lambda mend: http.decode_binary(headers, body, mend)),)
        elif body.lstrip()[:1] == b"[":
            readings = tuple(
                _read(text, _structured(text), f"events[{index}]: ")
                for index, text in enumerate(json_format.split_batch(body, MAX_EVENTS))
            )
        else:
            readings = (_read(body, _structured(body)),)
        if all(_LOSSLESS.issuperset(reading.notes) for reading in readings):
            return Received(readings)
        return Received(readings, Original(body, headers.get("content-type")))


def _described(headers: Mapping[str, str]) -> bytes:
    """The headers that belong to an event in binary mode: another event may have the same payload."""
    found = [item for item in headers.items() if item[0].startswith(http.PREFIX) or item[0] == "content-type"]
    return ascii(sorted(found)).encode() + b"\0"


def _structured(text: bytes) -> Decode:
    return lambda mend: json_format.decode(text, mend)


def _read(sent: bytes, decode: Decode, where: str = "") -> Reading:
    """One event and what had to be put right; `sent` is all that was sent of it."""
    notes: list[str] = []

    def forgive(attributes: dict[str, Any]) -> None:
        if attributes.get("specversion") is None:
            attributes["specversion"] = "1.0"
            notes.append("specversion-defaulted")
        if attributes.get("id") is None:
            attributes["id"] = hashlib.sha256(sent).hexdigest()
            notes.append("id-from-content")
        notes.extend(mend(attributes))

    try:
        event = decode(forgive)
    except EventError as error:
        if not where:
            raise
        raise EventError(where + error.message) from None
    return Reading(event, tuple(notes))
