"""Any CloudEvents 1.0 sender, strictly by the specification, and plain JSON with `?type=…&source=…`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from router.errors import MessageError
from router.events import EventError, http
from router.events.received import Reading, Received
from router.signatures.base import SignatureError
from router.sources import bearer
from router.sources.base import MAX_EVENTS, Answer, Plain, Request, refusal
from router.sources.settings import SourceSettings, Tokens

_ACCEPTED = Answer(202)
"""Success: it is kept, and will be delivered (Web Hooks, section 2.2)."""

_PRIVATE = Answer(202, headers={"cache-control": "private"})
"""The same for a request with its token in the query (Web Hooks, section 3.2)."""

_ORIGIN = re.compile(r"[!-~]{1,253}")
_RATE = re.compile(r"[1-9][0-9]{0,8}")


class CloudEventsSettings(SourceSettings, Tokens):
    """Under `sources:`, `kind: cloudevents`.

    Attributes:
        strict: unless it is false, an event without `specversion` is refused, as the specification has it.
            Else it is read as 1.0, and noted as `specversion-defaulted`.
    """

    strict: bool = True


_OPEN = CloudEventsSettings(kind="cloudevents")


@dataclass(frozen=True, slots=True)
class CloudEventsSource(Plain):
    """`POST /events`. Answers and tokens are those of HTTP 1.1 Web Hooks for CloudEvents 1.0.2.

    Attributes:
        success: 202; see `_ACCEPTED`.
        later: 429, which must carry Retry-After there.
    """

    shape: ClassVar[type[SourceSettings]] = CloudEventsSettings
    kind: ClassVar[str] = "cloudevents"
    by_head: ClassVar[bool] = True
    paths: ClassVar[tuple[str, ...]] = ("/events",)
    success: ClassVar[int] = _ACCEPTED.status
    later: ClassVar[int] = 429

    settings: CloudEventsSettings = _OPEN
    _tokens: tuple[bytes, ...] = field(init=False, repr=False)
    _strict: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look into the settings once, not at every request."""
        object.__setattr__(self, "_tokens", tuple(token.encode() for token in self.settings.all_tokens))
        object.__setattr__(self, "_strict", self.settings.strict)

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return bool(self._tokens)

    def admit(self, request: Request) -> None:
        """Ask for a token, where there are any.

        Raises:
            SignatureError: see `bearer.check`.
        """
        if self._tokens:
            bearer.check(self._tokens, request)

    def read(self, request: Request) -> Received:
        """The events of a request in structured, binary or batch mode, or of plain JSON."""
        if self._strict:
            events = http.decode_request(request.headers, request.body, request.query, MAX_EVENTS)
            readings = (Reading(events[0]),) if len(events) == 1 else tuple(map(Reading, events))
        else:
            readings = _leniently(request)
        if request.query and bearer.in_query(request):
            return Received(readings, reply=_PRIVATE)
        return Received(readings)

    def accepted(self, received: Received) -> Answer:
        """Success, without a body."""
        return received.reply or _ACCEPTED

    def refused(self, error: MessageError) -> Answer:
        """The error's own status, and why; with a challenge where it is about the token."""
        answer = refusal(error)
        if isinstance(error, SignatureError):
            return replace(answer, headers={**answer.headers, "www-authenticate": bearer.challenge(error)})
        return answer

    def greeted(self, request: Request) -> Answer | None:
        """The validation handshake (section 4): who asks whether he may send, may.

        It is about consent, not about who sends: no token is asked for. The rate that is asked for is
        granted; what is too much at a time is told by 429. Consent is given in this answer and nowhere else:
        a URL in WebHook-Request-Callback is not called, for a stranger names it.
        """
        origin = request.headers.get("webhook-request-origin")
        if origin is None:
            return None
        if not _ORIGIN.fullmatch(origin):
            return self.refused(EventError("WebHook-Request-Origin: wants one name, as events.example.com"))
        rate = request.headers.get("webhook-request-rate", "")
        consent = {
            "allow": "POST",
            "webhook-allowed-origin": origin,
            "webhook-allowed-rate": rate if _RATE.fullmatch(rate) else "*",
        }
        return Answer(200, headers=consent)


def _leniently(request: Request) -> tuple[Reading, ...]:
    notes: list[tuple[str, ...]] = []

    def fill(attributes: dict[str, Any]) -> None:
        missing = attributes.get("specversion") is None
        if missing:
            attributes["specversion"] = "1.0"
        notes.append(("specversion-defaulted",) if missing else ())

    events = http.decode_request(request.headers, request.body, request.query, MAX_EVENTS, fill)
    return tuple(map(Reading, events, notes))
