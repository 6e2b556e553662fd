"""Signatures that clouds want at their APIs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from router.config.model import Shape
from router.config.secrets import Secret
from router.signatures import bce, cos
from router.signatures.base import Key
from router.targets.signing.base import Outgoing, given


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
    secret: Annotated[Secret, AfterValidator(given)]

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
