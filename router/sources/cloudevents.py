"""Any CloudEvents 1.0 sender, strictly by the specification, and plain JSON with `?type=…&source=…`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from router.errors import MessageError
from router.events import http
from router.events.received import Reading, Received
from router.sources.base import Answer, Request, overload, refusal


@dataclass(frozen=True, slots=True)
class CloudEventsSource:
    """`POST /events`."""

    kind: ClassVar[str] = "cloudevents"
    paths: ClassVar[tuple[str, ...]] = ("/events",)

    def read(self, request: Request) -> Received:
        """The events of a request in structured, binary or batch mode, or of plain JSON."""
        events = http.decode_request(request.headers, request.body, request.query)
        return Received(tuple(Reading(event) for event in events))

    def accepted(self, received: Received) -> Answer:  # noqa: ARG002 (the interface's)
        """202: it is kept, and will be delivered (HTTP 1.1 Web Hooks for CloudEvents, section 2.2)."""
        return Answer(202)

    def refused(self, error: MessageError) -> Answer:
        """400, or 415 for a format that is not spoken here."""
        return refusal(error)

    def overloaded(self, retry_after: int) -> Answer:
        """429, which must carry Retry-After (HTTP 1.1 Web Hooks for CloudEvents, section 2.2)."""
        return overload(429, retry_after)
