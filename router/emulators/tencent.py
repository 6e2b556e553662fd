"""Tencent CI as it calls back: unsigned, so whoever wants to know who calls puts a token into the URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import quote

from router.emulators import fresh, schedule


@dataclass(frozen=True, slots=True)
class Tencent:
    """See `router.emulators.request.Cloud`.

    Attributes:
        token: goes into the URL as `token`.
    """

    name: ClassVar[str] = "tencent"
    policy: ClassVar[schedule.Policy] = schedule.ONCE
    fresh: ClassVar[fresh.Fresh] = staticmethod(fresh.tencent)

    token: str | None = field(default=None, repr=False)

    def address(self, url: str) -> str:
        """With the token, as one would write it into the console's callback URL."""
        if self.token is None:
            return url
        return f"{url}{'&' if '?' in url else '?'}token={quote(self.token, safe='')}"

    def headers(self, url: str, content_type: str, body: bytes, now: float) -> dict[str, str]:  # noqa: ARG002 -- the protocol's
        """The Content-Type alone."""
        return {"content-type": content_type}
