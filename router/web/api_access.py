"""Who may use the API: whoever has its token, and on the machine itself whoever comes the straight way."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.types import Scope

from router.errors import MessageError
from router.operations.address import FILE
from router.web import origin

_SCHEME = b"bearer "

_LOOKING = frozenset({"GET", "HEAD"})
"""A change always needs the token: a proxy that adds no field of its own looks like this machine."""

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::[0-9]+)?\Z")
"""RFC 9110, section 7.2: an address in brackets, another address or a name; then the port."""


class TokenNeededError(MessageError):
    """This needs a token."""

    status = 401


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in.

    Attributes:
        token: what a client names (RFC 6750, section 2.1).
        loopback: whether the router listens on loopback alone, and no proxy makes it public.
    """

    token: str
    loopback: bool

    def check(self, scope: Scope) -> None:
        """Let pass who may come in.

        Raises:
            router.web.origin.ForeignOriginError: a web page of another origin sent it, whatever its token.
            TokenNeededError: it has no token, and would need one.
        """
        for page in _fields(scope, b"origin"):
            try:
                origin.check(page.decode("latin-1"), scope)
            except origin.ForeignOriginError:
                raise origin.ForeignOriginError(
                    f"a web page of the origin {page.decode('latin-1')[:100]!r} may not use this API"
                ) from None
        looks = scope["method"] in _LOOKING and self.loopback and _is_straight(scope)
        if not (looks or self._has_token(scope)):
            raise TokenNeededError(
                f"this needs `Authorization: Bearer …` with the token in {FILE}, in the router's data folder"
            )

    def _has_token(self, scope: Scope) -> bool:
        found = _fields(scope, b"authorization")
        if len(found) != 1 or found[0][: len(_SCHEME)].lower() != _SCHEME:
            return False
        return hmac.compare_digest(found[0][len(_SCHEME) :].strip(), self.token.encode())


def _is_straight(scope: Scope) -> bool:
    """Whether a request reached this machine under its own name, and by no proxy.

    A page that rebinds its name to this machine, and a proxy in front of the router, give themselves away.
    """
    hosts = _fields(scope, b"host")
    if len(hosts) != 1 or not _is_this_machine(hosts[0].decode("latin-1").lower()):
        return False
    return not any(name == b"forwarded" or name.startswith(b"x-forwarded-") for name, _ in scope["headers"])


def _is_this_machine(host: str) -> bool:
    found = _HOST.match(host)
    if found is None:
        return False
    try:
        return found[2] == "localhost" or ip_address(found[1] or found[2]).is_loopback
    except ValueError:
        return False


def _fields(scope: Scope, wanted: bytes) -> Sequence[bytes]:
    """The values of a header field, in their order; a server gives names in lower case."""
    return [value for name, value in scope["headers"] if name == wanted]
