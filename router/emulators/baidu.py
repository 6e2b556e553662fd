"""Baidu BOS as it pushes results: bce-auth-v1, if a key is given, over headers that cover the body."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from router.emulators import fresh, schedule
from router.emulators.request import host_of, path_of, query_of
from router.signatures import bce
from router.signatures.base import Key


@dataclass(frozen=True, slots=True)
class Baidu:
    """See `router.emulators.request.Cloud`.

    Attributes:
        key: what it signs with; None where the rule's `encryption` is empty.
    """

    name: ClassVar[str] = "baidu"
    policy: ClassVar[schedule.Policy] = schedule.BAIDU

    key: Key | None = None

    def fresh(self, body: bytes) -> bytes:
        """See `router.emulators.fresh.baidu`."""
        return fresh.baidu(body)

    def address(self, url: str) -> str:
        """As it is."""
        return url

    def headers(self, url: str, content_type: str, body: bytes, now: float) -> dict[str, str]:
        """The usual signed headers: Host, the body's length, type and digest, and the date."""
        headers = {"content-type": content_type}
        if self.key is None:
            return headers
        headers |= bce.digests(body) | {
            "x-bce-date": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}"
        }
        wire = headers | {"host": host_of(url), "content-length": str(len(body))}
        headers["authorization"] = bce.sign(self.key, "POST", path_of(url), query_of(url), wire, at=now)
        return headers
