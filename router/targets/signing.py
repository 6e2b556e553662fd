"""How an HTTP target signs what it sends: `sign:`, with exactly one of the kinds below.

A kind is a model of what stands under its word, and makes the headers of one attempt. It becomes one by
being a field of `Signing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Protocol, Self

import msgspec
from pydantic import AfterValidator, Field, model_validator

from router.config.model import Shape
from router.config.secrets import Secret
from router.signatures import bce, cos
from router.signatures.base import Key


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A request that is about to be sent.

    Attributes:
        id: the delivery's; the same for each of its attempts.
        path, query: as they will be sent, percent-encoded; the query without `?`.
        headers: all but those that sign it, Host and Content-Length included; names in lower case.
    """

    id: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Signer(Protocol):
    """One kind.

    Attributes:
        sets: the headers that it sets, in lower case; nobody else may.
    """

    sets: ClassVar[frozenset[str]]

    def headers(self, request: Outgoing, now: float) -> dict[str, str]:
        """What to add to a request that is sent now (seconds since the epoch)."""
        ...


def _given(secret: Secret) -> Secret:
    if not secret.get_secret_value():
        raise ValueError("is empty: nobody could tell what it signs from what a stranger sends")
    return secret


def _in_a_header(text: str) -> str:
    if not text.isascii() or not text.isprintable() or set(text) & set(" /&;="):
        raise ValueError("wants an id as the cloud has it: no space, none of / & ; = and nothing but ASCII")
    return text


class CloudKey(Shape):
    """An access key of a cloud.

    Attributes:
        id: what the request names it by.
        secret: what the request is signed with; it is not sent.
    """

    id: Annotated[str, Field(min_length=1), AfterValidator(_in_a_header)]
    secret: Annotated[Secret, AfterValidator(_given)]

    @property
    def key(self) -> Key:
        """The same for `router.signatures`."""
        return Key(self.id, self.secret.get_secret_value())


class Bce(CloudKey):
    """bce-auth-v1, as Baidu AI Cloud has it. The body is covered by its digest."""

    sets: ClassVar[frozenset[str]] = frozenset(("authorization", "x-bce-date", bce.SHA256))

    def headers(self, request: Outgoing, now: float) -> dict[str, str]:
        """Covers method, path, query, Host, Content-Type and all of `x-bce-`."""
        added = {"x-bce-date": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}"}
        added |= bce.digests(request.body)
        headers = {**request.headers, **added}
        signed = [name for name in headers if name in {"host", "content-type"} or name.startswith("x-bce-")]
        added["authorization"] = bce.sign(
            self.key, request.method, request.path, request.query, headers, at=now, signed=signed
        )
        return added


class Cos(CloudKey):
    """q-sign-algorithm=sha1, as Tencent Cloud's COS and CI have it. The body is not covered."""

    sets: ClassVar[frozenset[str]] = frozenset(("authorization",))

    def headers(self, request: Outgoing, now: float) -> dict[str, str]:
        """Covers method, path, query, Host and Content-Type."""
        signed = [name for name in ("host", "content-type") if name in request.headers]
        authorization = cos.sign(
            self.key, request.method, request.path, request.query, request.headers, at=now, signed=signed
        )
        return {"authorization": authorization}


class Signing(Shape):
    """What stands under `sign:`.

    Attributes:
        bce: as Baidu AI Cloud has it: bce-auth-v1.
        cos: as Tencent Cloud's COS and CI have it.
    """

    bce: Bce | None = None
    cos: Cos | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(chosen := self._chosen()) != 1:
            kinds = ", ".join(field.alias or name for name, field in type(self).model_fields.items())
            raise ValueError(f"wants exactly one of {kinds}; found {' and '.join(chosen) or 'none'}")
        return self

    @property
    def signer(self) -> Signer:
        """The one that was chosen."""
        (signer,) = self._chosen().values()
        return signer

    def _chosen(self) -> dict[str, Signer]:
        fields = type(self).model_fields
        found = {field.alias or name: getattr(self, name) for name, field in fields.items()}
        return {name: signer for name, signer in found.items() if signer is not None}
