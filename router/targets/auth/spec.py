"""What stands under `auth:`: exactly one way to say who asks."""

from __future__ import annotations

import base64
from typing import Annotated, Literal, Self
from urllib.parse import quote, quote_plus

from pydantic import AfterValidator, Field, HttpUrl, model_validator

from router.config.model import Shape
from router.config.secrets import Secret
from router.targets.auth.hiding import forms
from router.targets.choice import hold_to_one
from router.targets.fields import Headers, check_name, is_value

AUTHORIZATION = "authorization"


def vetted_url(url: HttpUrl) -> HttpUrl:
    """An address without what does not belong there.

    Raises:
        ValueError: there is a user name, a password or a fragment in it.
    """
    if url.username is not None or url.password is not None:
        raise ValueError("no user name or password in the address: it would end up in logs; use auth")
    if url.fragment is not None:
        raise ValueError("no fragment (#…) in the address: a fragment is never sent")
    return url


def _given(secret: Secret) -> Secret:
    if not secret.get_secret_value():
        raise ValueError("is empty")
    return secret


def _sendable(secret: Secret) -> Secret:
    if not is_value(_given(secret).get_secret_value()):
        raise ValueError("has a control character (a line break?) or a blank at its ends")
    return secret


def _user(secret: Secret) -> Secret:
    if ":" in secret.get_secret_value():
        raise ValueError("has a colon in it, which ends the user's name (RFC 7617, section 2)")
    return secret


GivenSecret = Annotated[Secret, AfterValidator(_given)]
SendableSecret = Annotated[Secret, AfterValidator(_sendable)]


class Basic(Shape):
    """RFC 7617, in UTF-8.

    Attributes:
        user: hidden as well: some services take a key for it.
        password: may be empty.
    """

    user: Annotated[Secret, AfterValidator(_user)]
    password: Secret

    @property
    def credentials(self) -> str:
        """What is sent."""
        return base64.b64encode(f"{_open(self.user)}:{_open(self.password)}".encode()).decode()


class ApiKey(Shape):
    """A key in a header or in the query.

    Attributes:
        header, query: the name that it has there; exactly one of them.
        value: the key.
    """

    header: Annotated[str, AfterValidator(check_name)] | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    value: SendableSecret

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.header is None) == (self.query is None):
            raise ValueError("wants either header or query: the name that the key has there")
        return self


class OAuth(Shape):
    """OAuth 2.0 client credentials (RFC 6749, section 4.4).

    Attributes:
        token_url: the authorization server's token endpoint.
        scope: what is asked for, with spaces between; None leaves it to the server.
        audience: who the token is for, where the server wants to know.
        client_auth: how the client says who it is (section 2.3.1): `basic` in a header, `post` in the body.
    """

    token_url: Annotated[HttpUrl, AfterValidator(vetted_url)]
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: GivenSecret
    scope: Annotated[str, Field(min_length=1)] | None = None
    audience: Annotated[str, Field(min_length=1)] | None = None
    client_auth: Literal["basic", "post"] = "basic"

    @property
    def credentials(self) -> str:
        """What is sent with `basic`: the pair, each encoded as in a form (section 2.3.1)."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(_open(self.client_secret))}"
        return base64.b64encode(pair.encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must show itself nowhere, in all its spellings."""
        return forms((_open(self.client_secret), self.credentials))


class Auth(Shape):
    """What stands under `auth:`.

    Attributes:
        bearer: a token (RFC 6750).
        basic: a user and a password.
        api_key: `api-key`: a key in a header or in the query.
        oauth: tokens that are fetched, and fetched again.
    """

    bearer: SendableSecret | None = None
    basic: Basic | None = None
    api_key: Annotated[ApiKey | None, Field(alias="api-key")] = None
    oauth: OAuth | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        hold_to_one(self)
        return self

    @property
    def sets(self) -> frozenset[str]:
        """The headers that it sets, in lower case; nobody else may."""
        if self.api_key is not None:
            return frozenset() if self.api_key.header is None else frozenset((self.api_key.header.lower(),))
        return frozenset((AUTHORIZATION,))

    @property
    def headers(self) -> Headers:
        """Those that are the same in every request."""
        if self.bearer is not None:
            return {AUTHORIZATION: f"Bearer {_open(self.bearer)}"}
        if self.basic is not None:
            return {AUTHORIZATION: f"Basic {self.basic.credentials}"}
        if self.api_key is not None and self.api_key.header is not None:
            return {self.api_key.header: _open(self.api_key.value)}
        return {}

    @property
    def query(self) -> str:
        """What belongs into the address's query; "" for nothing."""
        if self.api_key is None or self.api_key.query is None:
            return ""
        return f"{quote(self.api_key.query, safe='')}={quote(_open(self.api_key.value), safe='')}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must show itself nowhere, in all its spellings. Tokens that are fetched come beside it."""
        if self.basic is not None:
            return forms((_open(self.basic.password), self.basic.credentials))
        if self.oauth is not None:
            return self.oauth.secrets
        key = self.bearer if self.api_key is None else self.api_key.value
        return () if key is None else forms((_open(key),))


def _open(secret: Secret) -> str:
    return secret.get_secret_value()
