"""`sign: {hmac: …}`: an HMAC in one header, as GitHub, Slack, Stripe, Shopify and many others have it."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from router.config.model import Shape
from router.targets.fields import check_name, is_value
from router.targets.signing.base import Outgoing, Secrets

_PLACE = re.compile(r"\{(\w*)\}")


def _places(text: str, known: tuple[str, ...], needed: str) -> str:
    """A text with places to fill in.

    Raises:
        ValueError: it has places that are not `known`, or not the one that is `needed`.
    """
    found = _PLACE.findall(text)
    listed = ", ".join(f"{{{name}}}" for name in known)
    if unknown := [name for name in found if name not in known]:
        raise ValueError(f"there is nothing called {{{unknown[0]}}} here; there is {listed}")
    if needed not in found:
        raise ValueError(f"{{{needed}}} is missing")
    return text


def _over(text: str) -> str:
    return _places(text, ("body", "timestamp", "id"), "body")


def _value(text: str) -> str:
    if not is_value(text):
        raise ValueError("has a control character (a line break?) or a blank at its ends")
    return _places(text, ("signature", "timestamp"), "signature")


class Hmac(Shape):
    """A keyed hash (RFC 2104) of the body, and of what else `over` names.

    Attributes:
        header: where the signature goes.
        secret: one, or several during a rotation.
        algorithm, encoding: of the hash.
        over: what is signed, with `{body}`, `{timestamp}` (of the attempt, seconds since the epoch) and
            `{id}` (the delivery's) filled in.
        value: what stands in the header, with `{signature}` and `{timestamp}` filled in. With several secrets
            there is one for each, with commas between them: that is what a header that stands there several
            times means (RFC 9110, section 5.3).
        timestamp: the header that has the time, if there is to be one.
    """

    header: Annotated[str, AfterValidator(check_name)]
    secret: Secrets
    algorithm: Literal["sha256", "sha1", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    over: Annotated[str, AfterValidator(_over)] = "{body}"
    value: Annotated[str, AfterValidator(_value)] = "{signature}"
    timestamp: Annotated[str, AfterValidator(check_name)] | None = None

    @model_validator(mode="after")
    def _says_the_time(self) -> Self:
        said = self.timestamp is not None or "{timestamp}" in self.value
        if "{timestamp}" in self.over and not said:
            raise ValueError(
                "over has {timestamp}, and nothing tells it to the receiver: add the header's name as "
                "timestamp, or {timestamp} to value"
            )
        if self.timestamp is not None and self.timestamp.lower() == self.header.lower():
            raise ValueError("header and timestamp are the same header")
        return self

    @property
    def sets(self) -> frozenset[str]:
        """See `Signer.sets`."""
        return frozenset(name.lower() for name in (self.header, self.timestamp) if name is not None)

    def headers(self, request: Outgoing, now: float) -> dict[str, str]:
        """Covers what `over` says."""
        time = str(int(now))
        places = {"body": request.body, "timestamp": time.encode(), "id": request.id.encode()}
        text = _filled(self.over, places)
        values = [
            self.value.replace("{timestamp}", time).replace("{signature}", self._signature(secret, text))
            for secret in (one.get_secret_value() for one in self.secret)
        ]
        found = {self.header: ",".join(values)}
        if self.timestamp is not None:
            found[self.timestamp] = time
        return found

    def _signature(self, secret: str, text: bytes) -> str:
        digest = hmac.digest(secret.encode(), text, self.algorithm)
        return digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()


def _filled(text: str, places: Mapping[str, bytes]) -> bytes:
    """Text and names of places take turns in what `split` gives."""
    parts = _PLACE.split(text)
    return b"".join(places[part] if odd % 2 else part.encode() for odd, part in enumerate(parts))
