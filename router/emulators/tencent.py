"""Tencent CI as it calls back: unsigned, so whoever wants to know who calls puts a token into the URL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import quote

from router.emulators import fresh, schedule

_FORM = "x-ci-content-version"
_DETAIL = re.compile(rb'"EventName"\s*:\s*"Review|<EventName>Review')
_SIMPLE = re.compile(rb'"trace_id"\s*:|<trace_id>')
"""Only the two forms of content moderation are told apart by a header."""


@dataclass(frozen=True, slots=True)
class Tencent:
    """See `router.emulators.request.Cloud`.

    Attributes:
        token: goes into the URL as `token`.
    """

    name: ClassVar[str] = "tencent"
    policy: ClassVar[schedule.Policy] = schedule.ONCE

    token: str | None = field(default=None, repr=False)

    def fresh(self, body: bytes) -> bytes:
        """See `router.emulators.fresh.tencent`."""
        return fresh.tencent(body)

    def address(self, url: str) -> str:
        """With the token, as one would write it into the console's callback URL."""
        if self.token is None:
            return url
        return f"{url}{'&' if '?' in url else '?'}token={quote(self.token, safe='')}"

    def headers(self, url: str, content_type: str, body: bytes, now: float) -> dict[str, str]:  # noqa: ARG002 -- the protocol's
        """The Content-Type, and which form of moderation result it is."""
        headers = {"content-type": content_type}
        if _DETAIL.search(body):
            return headers | {_FORM: "Detail"}
        return headers | {_FORM: "Simple"} if _SIMPLE.search(body) else headers
