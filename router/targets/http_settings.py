"""What stands under `http:`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal, Self
from urllib.parse import parse_qsl

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    HttpUrl,
    ValidationInfo,
    field_validator,
    model_validator,
)

from router.config.units import Duration
from router.targets.auth.hiding import forms, in_headers
from router.targets.auth.spec import Auth, vetted_url
from router.targets.batches import Batch
from router.targets.connection import ConnectionSettings, hold_to_policy, is_loopback
from router.targets.fields import UserHeaders, is_template
from router.targets.handshake import ORIGIN, Handshake
from router.targets.network.vetting import surely
from router.targets.signing import Signing

_FETCHED_AT: Final = "auth.oauth.token_url"


class HttpSettings(ConnectionSettings):
    """What stands under `http:`, beside how a connection is made.

    Attributes:
        url: where to.
        method: GET sends no content, but the attributes in headers (RFC 9110, section 9.3.1).
        headers: further ones. Tokens stand in them, so their values show themselves nowhere. What stands
            between `{{` and `}}` is filled in for each event.
        format: how an event is sent (CloudEvents HTTP binding 1.0, section 3): `structured` is the whole
            event as JSON, `binary` its payload with the attributes in headers, `data` the payload alone.
            A transformed body is sent as it is, whatever stands here.
        timeout: seconds for everything, from the connection to the answer's last byte.
        batch: several events in one request; None for one request each. `structured` makes a CloudEvents
            batch of them, `data` JSON lines.
        auth: how the router says who it is; None for not at all.
        sign: how requests are signed, anew for each attempt; None for not at all.
        handshake: whether the receiver is asked for its consent first; None for not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Annotated[HttpUrl, AfterValidator(vetted_url)]
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = "POST"
    headers: UserHeaders = Field(default_factory=dict)
    format: Literal["structured", "binary", "data"] = "structured"
    timeout: Annotated[Duration, Field(gt=0)] = 10.0
    batch: Batch | None = None
    auth: Auth | None = None
    sign: Signing | None = None
    handshake: Handshake | None = None

    @field_validator("auth")
    @classmethod
    def _asks_where_it_may(cls, auth: Auth | None, info: ValidationInfo) -> Auth | None:
        if auth is not None and auth.oauth is not None:
            try:
                hold_to_policy(auth.oauth.token_url, info.data.get("allow", ()))
            except ValueError as error:
                raise ValueError(f"oauth.token_url: {error}") from None
        return auth

    @property
    def peers(self) -> dict[str, HttpUrl]:
        """See `ConnectionSettings`; the authorization server is one of them."""
        oauth = None if self.auth is None else self.auth.oauth
        return super().peers if oauth is None else {**super().peers, _FETCHED_AT: oauth.token_url}

    def doubts(self, *, loopback: bool) -> Iterator[tuple[str, str, str]]:
        """See `router.targets.base.Doubtful`."""
        yield from super().doubts(loopback=loopback)
        token_url = self.peers.get(_FETCHED_AT)
        if token_url is not None and token_url.scheme == "http" and not self._is_near(token_url):
            what = "the client's secret goes there unencrypted, which RFC 6749, section 2.3.1, forbids"
            yield _FETCHED_AT, what, "write https://"

    def _is_near(self, url: HttpUrl) -> bool:
        """Whether this is certainly this machine, or a network that somebody has allowed."""
        if is_loopback(url):
            return not self.proxied_elsewhere
        address = surely(url.host or "")
        return address is not None and any(address in network for network in self.allow)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.method == "GET" and self.format != "binary":
            raise ValueError("GET sends no content; choose the format binary: the attributes go in headers")
        if self.batch is not None:
            if self.format == "binary":
                raise ValueError(
                    "a request in the format binary carries one event; choose structured or data"
                )
            if self.templates:
                name = next(iter(self.templates))
                raise ValueError(f"{name!r} is filled in from one event, and a batch has several")
        self._hold_apart()
        return self

    def _hold_apart(self) -> None:
        """No two of headers, auth, sign and handshake set the same."""
        auth = frozenset() if self.auth is None else self.auth.sets
        sign = frozenset() if self.sign is None else self.sign.signer.sets
        for name in self.headers:
            for owner, names in (("auth", auth), ("sign", sign)):
                if name.lower() in names:
                    raise ValueError(f"{name!r} is set by {owner}; leave it out of the headers")
        if both := auth & sign:
            raise ValueError(f"auth and sign both set {min(both)!r}; leave one of them out")
        key = self.auth and self.auth.api_key
        if key and key.query and key.query in dict(parse_qsl(self.url.query or "", keep_blank_values=True)):
            raise ValueError(f"{key.query!r} is set by auth; leave it out of the address")

    @property
    def templates(self) -> dict[str, str]:
        """The headers that are filled in for each event."""
        return {name: value for name, value in self._open_headers().items() if is_template(value)}

    @property
    def constants(self) -> dict[str, str]:
        """The headers that are the same in every request."""
        found = {name: value for name, value in self._open_headers().items() if not is_template(value)}
        found |= {} if self.auth is None else self.auth.headers
        return found if self.handshake is None else {**found, ORIGIN: self.handshake.origin}

    @property
    def address(self) -> str:
        """Where requests go, with a key in the query if there is one: it is not to be shown."""
        url = str(self.url)
        if self.auth is None or not (key := self.auth.query):
            return url
        return f"{url}{'&' if '?' in url else '?'}{key}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must show itself nowhere, in all its spellings, longest first.

        Tokens that are fetched come beside it.
        """
        auth = () if self.auth is None else self.auth.secrets
        return tuple(sorted({*auth, *forms(in_headers(self._open_headers()))}, key=len, reverse=True))

    def _open_headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.headers.items()}
