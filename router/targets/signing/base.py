"""What every way of signing is, and what its secrets look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

import msgspec
from pydantic import AfterValidator, BeforeValidator, TypeAdapter, WithJsonSchema

from router.config.secrets import Secret


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
    """One kind."""

    @property
    def sets(self) -> frozenset[str]:
        """The headers that it sets, in lower case; nobody else may."""
        ...

    def headers(self, request: Outgoing, now: float) -> dict[str, str]:
        """What to add to a request that is sent now (seconds since the epoch)."""
        ...


def given(secret: Secret) -> Secret:
    """A secret that is one.

    Raises:
        ValueError: it is empty.
    """
    if not secret.get_secret_value():
        raise ValueError("is empty: nobody could tell what it signs from what a stranger sends")
    return secret


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


def _some(secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
    if not secrets:
        raise ValueError("is empty: nothing would be signed")
    return secrets


_ONE = TypeAdapter(Secret).json_schema()

Secrets = Annotated[
    tuple[Annotated[Secret, AfterValidator(given)], ...],
    BeforeValidator(_listed),
    AfterValidator(_some),
    WithJsonSchema({"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 1}]}),
]
"""A secret, or a list of all that count while one takes another's place."""
