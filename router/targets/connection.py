"""The settings of `http` that say how connections are made, and where to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Final, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from router.config.secrets import Secret
from router.config.units import Duration
from router.targets.network.connection import CONNECT_SECONDS, Connection, Proxy, Tls
from router.targets.network.special import LOOPBACK, Network
from router.targets.network.vetting import Policy, remedy, surely

_MODEL: Final = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _network(given: Any) -> Any:
    try:
        meant = ip_network(str(given), strict=False)
    except ValueError:
        raise ValueError("is no network: write 10.0.0.0/8, or one address; no names here") from None
    if meant.network_address != ip_address(str(given).partition("/")[0]):
        raise ValueError(f"has bits beyond its prefix; {meant} is meant, most likely")
    return meant


def _certificates(secret: Secret) -> Secret:
    try:
        x509.load_pem_x509_certificates(secret.get_secret_value().encode())
    except ValueError:
        raise ValueError("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)") from None
    return secret


Certificates = Annotated[Secret, AfterValidator(_certificates)]
CIDR = Annotated[Network, BeforeValidator(_network), WithJsonSchema({"type": "string"})]


class TlsSettings(BaseModel):
    """What stands under `tls:`. Peers are always verified.

    Attributes:
        ca: PEM of authorities that are trusted beside those of this machine.
        certificate: PEM of the certificate that the router shows, and those between it and its authority.
        key: PEM of its private key, not encrypted.
        minimum: the oldest version of TLS that is spoken.
    """

    model_config = _MODEL

    ca: Certificates | None = None
    certificate: Certificates | None = None
    key: Secret | None = None
    minimum: Literal["1.2", "1.3"] = "1.2"

    @model_validator(mode="before")
    @classmethod
    def _verifies(cls, given: Any) -> Any:
        if isinstance(given, dict) and "verify" in given:
            raise ValueError("peers are always verified: put the peer's own authority into ca")
        return given

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: one of them is missing")
        if self.certificate is not None and self.key is not None:
            try:
                key = load_pem_private_key(self.key.get_secret_value().encode(), None)
            except (ValueError, TypeError):
                raise ValueError("key holds no private key in PEM, or an encrypted one") from None
            own = x509.load_pem_x509_certificates(self.certificate.get_secret_value().encode())[0]
            if own.public_key() != key.public_key():
                raise ValueError("the key is not that of the first certificate")
        return self


def _bare(url: HttpUrl) -> HttpUrl:
    if url.username is not None or url.password is not None:
        raise ValueError("no user name or password in the proxy's address: they have keys of their own")
    if url.path not in (None, "/") or url.query is not None or url.fragment is not None:
        raise ValueError("a proxy's address ends behind its port")
    return url


class ProxySettings(BaseModel):
    """What stands under `proxy:`.

    Attributes:
        url: the proxy; http or https.
        user: for Basic authentication.
        password: with it.
    """

    model_config = _MODEL

    url: Annotated[HttpUrl, AfterValidator(_bare)]
    user: Secret | None = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together: one of them is missing")
        return self


class ConnectionSettings(BaseModel):
    """How a target is connected to.

    Attributes:
        allow: networks that are connected to although they are not the public internet.
        connect_timeout: seconds for one connection, TLS included.
        tls: own authorities and certificates, and the oldest version.
        proxy: who connects for us; None for nobody.
        url: where to; what else it must be is the subclass's business.
    """

    model_config = _MODEL

    allow: list[CIDR] = []
    connect_timeout: Annotated[Duration, Field(gt=0)] = CONNECT_SECONDS
    tls: TlsSettings = TlsSettings()
    proxy: ProxySettings | None = None
    url: HttpUrl

    @field_validator("url", "proxy")
    @classmethod
    def _may_be_reached(cls, given: Any, info: ValidationInfo) -> Any:
        """Refuse literal addresses that are always refused; about loopback nothing is known here."""
        url = given.url if isinstance(given, ProxySettings) else given
        if url is not None:
            hold_to_policy(url, info.data.get("allow", ()))
        return given

    @property
    def peers(self) -> dict[str, HttpUrl]:
        """Every address that is connected to, by the key that has it (dots lead into mappings)."""
        return {"url": self.url} if self.proxy is None else {"url": self.url, "proxy": self.proxy.url}

    @property
    def proxied_elsewhere(self) -> bool:
        """Whether a proxy connects for us that is not certainly on this machine."""
        return self.proxy is not None and not is_loopback(self.proxy.url)

    def doubts(self, *, loopback: bool) -> Iterator[tuple[str, str, str]]:
        """See `router.targets.base.Doubtful`."""
        policy = Policy(tuple(self.allow), loopback=loopback)
        for key, url in self.peers.items():
            if _refusal(url, policy) == LOOPBACK:
                what = "leads to this machine, and is not connected to by a router that others can reach"
                yield key, what, f"add {surely(url.host or '')} to `allow`, if it is meant"
        if self.proxy is not None:
            what = "resolves the target's name itself, and may connect to a private address that it leads to"
            yield "proxy", what, "have the proxy refuse private addresses; here only literal ones are refused"
            for key, url in self.peers.items():
                if self.proxied_elsewhere and is_loopback(url):
                    what = "is the proxy's own machine, and not this one, because the proxy connects to it"
                    yield key, what, "name the host as the proxy sees it, or leave the proxy out"
        if self.tls != TlsSettings() and all(url.scheme == "http" for url in self.peers.values()):
            what = "has no effect, because nothing is sent over TLS: every address here begins with http://"
            yield "tls", what, "write https:// where TLS is meant, or leave tls out"

    def connection(self, *, loopback: bool) -> Connection:
        """What a sender is to know of it."""
        tls, proxy = self.tls, self.proxy
        return Connection(
            policy=Policy(tuple(self.allow), loopback=loopback),
            connect=self.connect_timeout,
            tls=Tls(_bytes(tls.ca), _bytes(tls.certificate), _bytes(tls.key), tls.minimum),
            proxy=None if proxy is None else Proxy(str(proxy.url), _text(proxy.user), _text(proxy.password)),
        )


def hold_to_policy(url: HttpUrl, allow: Iterable[Network]) -> None:
    """Refuse a literal address that is always refused; about loopback nothing is known here.

    Raises:
        ValueError: it says which rule refuses it, and what to do.
    """
    if (what := _refusal(url, Policy(tuple(allow), loopback=True))) is not None:
        raise ValueError(f"its address is {what}, and never connected to: {remedy('it', what)}")


def is_loopback(url: HttpUrl) -> bool:
    """Whether an address is certainly that of the machine that connects to it."""
    address = surely(url.host or "")
    return address is not None and address.is_loopback


def _refusal(url: HttpUrl, policy: Policy) -> str | None:
    address = surely(url.host or "")
    return None if address is None else policy.refusal(address)


def _text(secret: Secret | None) -> str:
    return "" if secret is None else secret.get_secret_value()


def _bytes(secret: Secret | None) -> bytes:
    return _text(secret).encode()
