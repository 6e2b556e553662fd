"""What stands in an entry of `sources:`, as far as the kinds have it in common."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema

from router.config.model import Shape
from router.config.secrets import Secret
from router.signatures.base import Key

_PATH = r"/[A-Za-z0-9._~@:/-]*"


def _vetted_path(path: str) -> str:
    if not re.fullmatch(_PATH, path) or "//" in path:
        raise ValueError("wants a path such as /alibaba: letters, digits and -._~@: between its slashes")
    return path


SourcePath = Annotated[
    str, AfterValidator(_vetted_path), WithJsonSchema({"type": "string", "pattern": f"^{_PATH}$"})
]


def _vetted_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits or re.search(r"\s", url):
        raise ValueError("wants the address that senders use, such as https://router.example.com/alibaba")
    return url


PublicUrl = Annotated[str, AfterValidator(_vetted_url)]


def _not_empty(secret: Secret) -> Secret:
    if not secret.get_secret_value().strip():
        raise ValueError("is empty: it would let everybody in")
    return secret


Given = Annotated[Secret, AfterValidator(_not_empty)]
"""A secret that holds something."""


class KeySettings(Shape):
    """An access key.

    Attributes:
        id: what requests name it by.
        secret: what they are signed with.
    """

    id: Annotated[str, Field(min_length=1)]
    secret: Given


class SourceSettings(Shape):
    """One entry of `sources:`.

    Attributes:
        kind: whose dialect is spoken there.
        path: where, if not at the kind's own paths.
        public_url: the address that senders use, where it is not the one that the router listens on.
        strict: whether what known senders get wrong is refused, instead of put right and noted.
    """

    kind: str
    path: SourcePath | None = None
    public_url: PublicUrl | None = None
    strict: bool = False

    @property
    def also(self) -> tuple[str, dict[str, Any]] | None:
        """A kind that the same sender speaks at other paths, and its settings; None for none."""
        return None

    @property
    def doubt(self) -> str | None:
        """What is risky about it, and what to do; None for nothing."""
        return None


class Tokens(Shape):
    """Tokens, of which a sender names one.

    Attributes:
        token: the only one.
        tokens: several, so that one can take another's place while both are in use.
    """

    token: Given | None = None
    tokens: list[Given] = Field(default_factory=list)

    @property
    def all_tokens(self) -> tuple[str, ...]:
        """All of them."""
        found = [*self.tokens] if self.token is None else [self.token, *self.tokens]
        return tuple(one.get_secret_value() for one in found)


class Keys(Shape):
    """Access keys, with one of which a sender signs.

    Attributes:
        keys: several, so that one can take another's place while both are in use.
    """

    keys: list[KeySettings] = Field(default_factory=list)

    @property
    def all_keys(self) -> tuple[Key, ...]:
        """All of them."""
        return tuple(Key(one.id, one.secret.get_secret_value()) for one in self.keys)
