"""Which requests are tries of one call of AWS's, and which are calls of their own.

SDKs send the same invocation id with every try of a call, and sign each try anew. They do not sign the id:
who has seen a signed request could send it again under another one, for as long as its signature counts.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping

from router.signatures.sigv4 import SKEW

INVOCATION = "amz-sdk-invocation-id"

TOGETHER = 5.0
"""Seconds for which one signature may come with several invocation ids.

A signature's time is in whole seconds: two equal calls of one client within one second have the same one, and
are two. They come at about the same time; what comes later with their signature is a copy.
"""

MOST = 100_000
"""How many signatures are remembered: some 25 MB. If ten minutes bring more, the oldest are forgotten."""

_CALLS = uuid.UUID("6e7a5c0f-3f0e-5f9c-9a4c-0d3a1f2b7c5e")
"""The name space of calls (RFC 9562, section 5.5)."""


def call(headers: Mapping[str, str], body: bytes, signer: str) -> uuid.UUID:
    """What the tries of one call have in common, and no other call: invocation id, signer and body.

    Without an invocation id every request is a call of its own.
    """
    if (invocation := headers.get(INVOCATION)) is None:
        return uuid.uuid4()
    digest = hashlib.sha256(body).hexdigest()
    return uuid.uuid5(_CALLS, f"{signer}\n{invocation}\n{digest}")


class Signatures:
    """The calls that verified signatures came with, while those count. They are forgotten at a restart."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, uuid.UUID]] = {}

    def call(self, signature: str, said: uuid.UUID, now: float) -> uuid.UUID:
        """The call of a request with this signature: the first one it came with, if that is a while ago.

        Args:
            signature: verified.
            said: what the request says of itself, by `call`.
            now: seconds since the epoch.
        """
        at, first = self._seen.setdefault(signature, (now, said))
        self._forget(now)
        return first if now - at > TOGETHER else said

    def _forget(self, now: float) -> None:
        """From the oldest on, what is too old or too much."""
        while self._seen:
            oldest = next(iter(self._seen))
            if len(self._seen) <= MOST and now - self._seen[oldest][0] <= 2 * SKEW:
                return
            del self._seen[oldest]
