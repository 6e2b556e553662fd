"""Any CloudEvents 1.0 sender, strictly by the specification, and plain JSON with `?type=…&source=…`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from router.events import http
from router.events.received import Reading, Received
from router.sources.base import MAX_EVENTS, Plain, Request
from router.sources.settings import SourceSettings, Tokens


class CloudEventsSettings(SourceSettings, Tokens):
    """Under `sources:`, `kind: cloudevents`."""


@dataclass(frozen=True, slots=True)
class CloudEventsSource(Plain):
    """`POST /events`. The statuses are those of HTTP 1.1 Web Hooks for CloudEvents, section 2.2.

    Attributes:
        success: 202, for it is kept and will be delivered.
        later: 429, which must carry Retry-After there.
    """

    shape: ClassVar[type[SourceSettings]] = CloudEventsSettings
    kind: ClassVar[str] = "cloudevents"
    paths: ClassVar[tuple[str, ...]] = ("/events",)
    success: ClassVar[int] = 202
    later: ClassVar[int] = 429

    settings: CloudEventsSettings = CloudEventsSettings(kind="cloudevents")

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return bool(self.settings.all_tokens)

    def admit(self, request: Request) -> None:
        """See `Source.admit`."""

    def read(self, request: Request) -> Received:
        """The events of a request in structured, binary or batch mode, or of plain JSON."""
        events = http.decode_request(request.headers, request.body, request.query, MAX_EVENTS)
        return Received(tuple(map(Reading, events)))
