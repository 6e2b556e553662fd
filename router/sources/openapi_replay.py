"""A nonce stands for one body: the older SDK's signature covers a nonce, and not the body."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from router.signatures.acs import SKEW
from router.signatures.base import Reason, SignatureError

NONCE = "x-acs-signature-nonce"

MOST = 100_000
"""How many are remembered: some 20 MB. With more of them in half an hour the oldest are forgotten first."""


class Nonces:
    """The nonces of signed requests, while their signatures count.

    Whoever saw one request could else send its head again with any body, for half an hour. The same body
    again is no harm: it is the same events, which the router knows as duplicates. It forgets at a restart.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, bytes]] = {}

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """Remember a verified request.

        Args:
            headers: names in lower case.
            body: what came with them.
            now: seconds since the epoch.

        Raises:
            SignatureError: it has no nonce, or that of another body.
        """
        nonce = headers.get(NONCE)
        if not nonce:
            raise SignatureError(Reason.UNFIT, f"neither a nonce ({NONCE}) is signed nor the body", 403)
        digest = hashlib.sha256(body).digest()
        self._forget(now)
        if self._seen.setdefault(nonce, (now, digest))[1] != digest:
            raise SignatureError(Reason.ALTERED, "this signature came with another body before", 403)

    def _forget(self, now: float) -> None:
        """From the oldest on, what is too old or too much."""
        while self._seen:
            oldest = next(iter(self._seen))
            if len(self._seen) < MOST and now - self._seen[oldest][0] <= 2 * SKEW:
                return
            del self._seen[oldest]
