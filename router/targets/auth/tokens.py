"""Access tokens of OAuth 2.0 client credentials (RFC 6749, section 4.4): fetched once, used by everybody."""

from __future__ import annotations

import math
import re
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import anyio
import msgspec

from router.clock import Clock
from router.errors import MessageError
from router.targets.answers import named, retry_after
from router.targets.auth.hiding import forms, hidden
from router.targets.auth.spec import OAuth
from router.targets.base import Cause
from router.targets.sender import Reply, Sender, SendError

EARLY: Final = 60.0
"""Seconds before its end in which a token is not used any more; half its life, where that is less."""

LEAST: Final = 5.0
"""Seconds for which a token is used, whatever the server says: else each delivery would fetch one."""

_TOKEN = re.compile(r"[!-~]+")
_UNPRINTABLE = re.compile(r"[^ -~]+")
_SAID_CHARACTERS = 200
_REMEDIES = {
    400: "put the right client_id, client_secret, scope and audience into auth.oauth",
    401: "put the right client_id and client_secret into auth.oauth, or try another client_auth",
    403: "this client may not have such a token; put the right client_id or scope into auth.oauth",
    404: "there is nothing at this address; put the right one into auth.oauth.token_url",
    405: "that is no token endpoint; put the right address into auth.oauth.token_url",
}


class TokenError(MessageError):
    """There is no token to be had.

    Attributes:
        after: seconds that the server asked us to wait; None if it did not say.
        cause: whether somebody has to mend it, or it may pass by itself.
    """

    def __init__(self, message: str, after: float | None = None, cause: Cause = Cause.MISDIRECTED) -> None:
        super().__init__(message)
        self.after = after
        self.cause = cause


class Token(msgspec.Struct, frozen=True, gc=False):
    """An access token.

    Attributes:
        number: how many were fetched before it, and one.
        until: when it is not used any more, seconds since the epoch.
        secrets: its spellings, none of which may show itself.
    """

    text: str
    number: int
    until: float
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Token({self.number}, until={self.until})"


class _Answer(msgspec.Struct):
    """RFC 6749, section 5.1. Some servers leave `token_type` out, and some write `expires_in` as a text."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 -- the kind of token, and none
    expires_in: Any = None


class _Refusal(msgspec.Struct):
    """RFC 6749, section 5.2."""

    error: str = ""
    error_description: str = ""


class Tokens:
    """Has a token ready for all workers of a target; one of them fetches it, the others wait for that.

    Args:
        seconds: how long a fetch may take.
    """

    def __init__(self, spec: OAuth, sender: Sender, clock: Clock, seconds: float) -> None:
        self._url = str(spec.token_url)
        self._headers, self._body = _request(spec)
        self._secrets = spec.secrets
        self._sender = sender
        self._clock = clock
        self._seconds = seconds
        self._lock = anyio.Lock()
        self._fetched = 0
        self._token: Token | None = None
        self._failure: TokenError | None = None

    async def get(self, refused: int = 0) -> Token:
        """A token that counts.

        Args:
            refused: the number of one that the target does not take: no older one, and not that one.

        Raises:
            TokenError: it cannot be fetched. Who waited for that fetch is told the same.
        """
        if (token := self._usable(refused)) is not None:
            return token
        failure = self._failure
        async with self._lock:
            if (token := self._usable(refused)) is not None:
                return token
            if self._failure is not None and self._failure is not failure:
                raise TokenError(self._failure.message, self._failure.after, self._failure.cause)
            try:
                self._token = await self._fetch()
            except TokenError as error:
                self._failure = error
                raise
            return self._token

    def _usable(self, refused: int) -> Token | None:
        token = self._token
        if token is None or token.number <= refused or not self._clock.now() < token.until:
            return None
        return token

    async def _fetch(self) -> Token:
        began = self._clock.now()
        try:
            reply = await self._sender.send("POST", self._url, self._headers, self._body, self._seconds)
        except SendError as error:
            raise TokenError(f"there is no token: {error.message}", cause=error.cause) from None
        if not 200 <= reply.status < 300:  # noqa: PLR2004 -- a class of status codes
            after = retry_after(reply.headers.get("retry-after"), self._clock.now())
            passes = reply.status in {408, 429} or reply.status >= 500  # noqa: PLR2004 -- a class of status codes
            cause = Cause.PASSING if passes else Cause.MISDIRECTED
            raise TokenError(self._refusal(reply), after, cause)
        text, lasts = self._read(reply.body)
        self._fetched += 1
        until = max(began + lasts - min(EARLY, lasts / 2), self._clock.now() + LEAST)
        return Token(text, self._fetched, until, forms((text,)))

    def _read(self, body: bytes) -> tuple[str, float]:
        """A token, and how many seconds it counts."""
        try:
            answer = msgspec.json.decode(body, type=_Answer, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise TokenError(f"{self._who()} answered without an access_token (RFC 6749, 5.1)") from None
        if answer.token_type.lower() != "bearer":
            kind = _printable(answer.token_type)
            raise TokenError(f"{self._who()} gave a token of the type {kind!r}; only Bearer is understood")
        if not _TOKEN.fullmatch(answer.access_token):
            raise TokenError(f"{self._who()} gave a token that cannot stand in a header")
        return answer.access_token, _seconds(answer.expires_in)

    def _refusal(self, reply: Reply) -> str:
        try:
            refusal = msgspec.json.decode(reply.body, type=_Refusal)
        except (msgspec.DecodeError, UnicodeDecodeError):
            refusal = _Refusal()
        told = f"{self._who()} answered {named(reply.status)}"
        if said := ": ".join(filter(None, (refusal.error, refusal.error_description))):
            told += f" ({_printable(hidden(said, self._secrets))})"
        remedy = _REMEDIES.get(reply.status)
        return f"{told}: {remedy}" if remedy else told

    def _who(self) -> str:
        return f"there is no token: {urlsplit(self._url).netloc}"


def _seconds(told: object) -> float:
    """How long a token counts; until it is refused, where nobody says a number of seconds."""
    try:
        lasts = (
            float(told) if isinstance(told, (str, int, float)) and not isinstance(told, bool) else math.inf
        )
    except (ValueError, OverflowError):
        return math.inf
    return lasts if math.isfinite(lasts) else math.inf


def _request(spec: OAuth) -> tuple[dict[str, str], bytes]:
    """Headers and body of the request for a token (RFC 6749, sections 2.3.1 and 4.4.2)."""
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    fields = {"grant_type": "client_credentials", "scope": spec.scope, "audience": spec.audience}
    if spec.client_auth == "basic":
        headers["authorization"] = f"Basic {spec.credentials}"
    else:
        fields |= {"client_id": spec.client_id, "client_secret": spec.client_secret.get_secret_value()}
    return headers, urlencode({name: value for name, value in fields.items() if value is not None}).encode()


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)[:_SAID_CHARACTERS]
