"""Asks a receiver whether it wants events at all, before the first one is sent.

From "HTTP 1.1 Web Hooks for Event Delivery" 1.0.2, section 4 (CloudEvents): OPTIONS with
`WebHook-Request-Origin`; only `WebHook-Allowed-Origin` in a success is consent, and no success alone is.
Consent by callback (`WebHook-Request-Callback`) is not asked for.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

import anyio
from pydantic import AfterValidator

from router.clock import Clock
from router.config.model import Shape
from router.targets.answers import named, retry_after
from router.targets.base import ANSWER_BYTES, Cause, RetryLater
from router.targets.rates import Rate
from router.targets.sender import Reply, Sender, SendError

ORIGIN: Final = "webhook-request-origin"

_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9\-]+)*")
_RATE = re.compile(r"[1-9][0-9]{0,8}")
_MINUTE = 60.0
_TOO_MANY, _OWN_FAULT = 429, 500


def _origin(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name of a system: write it as router.example.com")
    return text


def _per_minute(rate: float) -> float:
    if round(rate * _MINUTE, 6) < 1:
        raise ValueError("is less than 1/m, and the handshake counts requests a minute")
    return rate


class Handshake(Shape):
    """What stands under `handshake:`.

    Attributes:
        origin: the name of the system that sends, as DNS has it.
        rate: how many requests a second are asked for, and made at most; None to ask for none in particular.
    """

    origin: Annotated[str, AfterValidator(_origin)]
    rate: Annotated[Rate, AfterValidator(_per_minute)] | None = None


class Consent:
    """One receiver's consent. It is asked for once, by whoever sends first.

    Args:
        seconds: how long asking may take, and how long a request waits at most for its turn.
    """

    def __init__(self, spec: Handshake, url: str, sender: Sender, clock: Clock, seconds: float) -> None:
        self._origin = spec.origin
        self._asked = None if spec.rate is None else int(round(spec.rate * _MINUTE, 6))
        self._url = url
        self._sender = sender
        self._clock = clock
        self._seconds = seconds
        self._lock = anyio.Lock()
        self._given = False
        self._refusal: RetryLater | None = None
        self._rate: int | None = None
        self._next = 0.0

    async def lacking(self) -> RetryLater | None:
        """Return None when a request may be sent, which may be after a while; else why it may not.

        Who waits while another one asks is told the same.
        """
        refusal = self._refusal
        async with self._lock:
            if not self._given and self._refusal is refusal:
                self._refusal = await self._ask()
            if not self._given:
                return self._refusal
            if self._rate is None:
                return None
            now = self._clock.now()
            turn = max(self._next, now)
            if turn - now > self._seconds:
                why = f"it takes {self._rate} requests a minute (WebHook-Allowed-Rate)"
                return RetryLater(why, after=turn - now, cause=Cause.THROTTLED)
            self._next = turn + _MINUTE / self._rate
        if turn > now:
            await self._clock.sleep_until(turn)
        return None

    async def _ask(self) -> RetryLater | None:
        headers = {ORIGIN: self._origin}
        if self._asked is not None:
            headers["webhook-request-rate"] = str(self._asked)
        try:
            reply = await self._sender.send("OPTIONS", self._url, headers, b"", self._seconds)
        except SendError as error:
            why = f"it could not be asked whether it wants events: {error.message}"
            return RetryLater(why, cause=error.cause)
        allowed = reply.headers.get("webhook-allowed-origin", "").strip().lower()
        if reply.status >= 300 or allowed not in {"*", self._origin.lower()}:  # noqa: PLR2004 -- as above
            return self._refused(reply, allowed)
        self._rate = self._agreed(reply.headers.get("webhook-allowed-rate", "").strip())
        self._given = True
        return None

    def _agreed(self, allowed: str) -> int | None:
        """Requests a minute: what was asked for or what is allowed, whichever is less."""
        bounds = [self._asked] if self._asked is not None else []
        if _RATE.fullmatch(allowed):
            bounds.append(int(allowed))
        return min(bounds, default=None)

    def _refused(self, reply: Reply, allowed: str) -> RetryLater:
        status, answer = reply.status, reply.body[:ANSWER_BYTES]
        asked = f"asked whether it wants events (OPTIONS), it answered {named(status)}"
        if status == _TOO_MANY or status >= _OWN_FAULT:
            after = retry_after(reply.headers.get("retry-after"), self._clock.now())
            return RetryLater(asked, status, answer, after)
        told = f"consenting to {allowed[:100]!a}" if allowed else "without WebHook-Allowed-Origin"
        why = f"{asked} {told}, which is no consent to {self._origin}: have it answer, or drop handshake"
        return RetryLater(why, status, answer, cause=Cause.MISDIRECTED)
