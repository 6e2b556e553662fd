"""The log's lines about requests that were turned away: so few that no stranger can fill a disk with them."""

from __future__ import annotations

import asyncio

import structlog

from router.clock import Clock
from router.telemetry.quota import MINUTE, Quota

LONGEST = 500
"""Characters of a text in a line: strangers write them."""

Key = tuple[str, int, str]
"""A source's name (empty where no source was found), an HTTP status, and the reason in a word or none."""

log = structlog.stdlib.get_logger(__name__)


class Refusals:
    """Writes these lines."""

    def __init__(self, clock: Clock) -> None:
        self._quota: Quota[Key] = Quota(clock)
        self._timer: asyncio.TimerHandle | None = None

    def refused(self, error: str, status: int, source: str = "", reason: str = "", **fields: object) -> None:
        """A request was turned away for a reason that its sender was told."""
        if self._admits((source, status, reason)):
            named = {"reason": reason} if reason else {}
            log.warning(
                "request.refused", error=shortened(error), status=status, **named, **_brief(source, fields)
            )

    def incomplete(self, entries: dict[str, int], source: str, **fields: object) -> None:
        """A request was taken without some of its entries, as its sender was told."""
        if self._admits((source, 200, "entries")):
            log.warning("request.entries_refused", entries=entries, **_brief(source, fields))

    def quarantined(self, error: str, status: int, source: str, **fields: object) -> None:
        """A verified request cannot be read; it was kept, and its sender was told that it was taken."""
        if self._admits((source, status, "quarantined")):
            hint = "see `router dead --target quarantine`; redrive reads it again"
            log.warning("request.quarantined", error=shortened(error), hint=hint, **_brief(source, fields))

    def failed(self, error: Exception, status: int, source: str, **fields: object) -> None:
        """The router failed on a request; with the traceback."""
        if self._admits((source, status, "failed")):
            log.error("request.failed", exc_info=error, status=status, **_brief(source, fields))

    def _admits(self, key: Key) -> bool:
        self._tell()
        admitted = self._quota.admits(key)
        self._watch()
        return admitted

    def close(self) -> None:
        """Tell what was left out so far: nothing more will come."""
        self._say(self._quota.rest())
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self) -> None:
        self._say(self._quota.ended())

    def _say(self, left_out: dict[Key, int]) -> None:
        for (source, status, reason), count in left_out.items():
            named = {"reason": reason} if reason else {}
            brief = _brief(source, {"count": count})
            log.warning("request.refusals_left_out", status=status, **named, **brief)

    def _watch(self) -> None:
        """Have it told when the minute is over, though nobody may be refused any more."""
        if self._timer is None and self._quota.owes:
            self._timer = asyncio.get_running_loop().call_later(MINUTE, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._tell()
        self._watch()


def shortened(text: str) -> str:
    """A text that fits into a line; what is cut off leaves a `…`."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _brief(source: str, fields: dict[str, object]) -> dict[str, object]:
    named = {"source": source} | fields if source else fields
    return {name: shortened(value) if isinstance(value, str) else value for name, value in named.items()}
