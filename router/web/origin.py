"""Whose pages may post: a browser lets any page of the web send to a router on the user's own machine.

It says in `Origin` whose page it is (RFC 6454, section 7), and no page can keep it from saying so. `Host` is
no witness here: a page reached under a name that now points to this machine sends that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from starlette.types import Scope

from router.errors import MessageError


class ForeignOriginError(MessageError):
    """A page of another origin sent this."""

    status = 403


def check(scope: Scope, headers: Mapping[str, str]) -> None:
    """Let pass what no page sent, or one of this router.

    Raises:
        ForeignOriginError: the request names another origin.
    """
    origin = headers.get("origin")
    if origin is not None and origin not in _own(scope):
        raise ForeignOriginError(
            f"the request says that a web page of the origin {origin!r} sent it; "
            "pages of other origins may not send events"
        )


def _own(scope: Scope) -> set[str]:
    """The origins that this server has for those who reach it where it was reached now."""
    address, port = scope["server"]
    hosts = [f"[{address}]" if ":" in address else address]
    if ip_address(address).is_loopback:
        hosts.append("localhost")
    origins = {f"{scope['scheme']}://{host}:{port}" for host in hosts}
    return origins | {origin.removesuffix(":80") for origin in origins if scope["scheme"] == "http"}
