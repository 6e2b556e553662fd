"""What all signatures have in common: keys, and what may be wrong with a request's."""

from __future__ import annotations

import enum
import hmac
from dataclasses import dataclass, field

from router.errors import MessageError


class Reason(enum.StrEnum):
    """Why it is not taken for granted who has sent a request.

    Attributes:
        MISSING: it says nothing of who sent it.
        WRONG: its signature or token is none of those that are configured.
        EXPIRED: it was signed at another time than now.
        UNKNOWN_KEY: it names a key that is not configured.
        ALTERED: its signature fits, and its body is another one.
        UNFIT: its signature cannot be read, or leans on something that is not trusted.
    """

    MISSING = "missing"
    WRONG = "wrong"
    EXPIRED = "expired"
    UNKNOWN_KEY = "unknown-key"
    ALTERED = "altered"
    UNFIT = "unfit"


class SignatureError(MessageError):
    """A request does not come from somebody who may send; nothing of it is kept.

    Attributes:
        reason: why, in one word.
    """

    def __init__(self, reason: Reason, message: str, status: int = 401) -> None:
        """What is wrong.

        Args:
            reason: in one word.
            message: for a person, and for the log: no secret, no token and no signature is in it.
            status: 401, or 403 where another try with the same credentials is of no use.
        """
        super().__init__(message)
        self.reason = reason
        self.status = status


@dataclass(frozen=True, slots=True)
class Key:
    """An access key.

    Attributes:
        id: what a request names it by.
        secret: what it is signed with; it does not show itself.
    """

    id: str
    secret: str = field(repr=False)


def same(one: str | bytes, other: str | bytes) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(text: str | bytes) -> bytes:
    return text.encode(errors="surrogatepass") if isinstance(text, str) else text
