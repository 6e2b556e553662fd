"""Whose pages may post: a browser lets any page of the web send to a router on the user's own machine.

It says in `Origin` whose page it is (RFC 6454, section 7), and no page can keep it from saying so. `Host` is
no witness here: a page reached under a name that now points to this machine sends that name.
"""

from __future__ import annotations

from ipaddress import ip_address

from starlette.types import Scope

from router.errors import MessageError


class ForeignOriginError(MessageError):
    """A page of another origin sent this."""

    status = 403


def check(origin: str, scope: Scope) -> None:
    """Let pass what one of this router's own pages sent.

    Raises:
        ForeignOriginError: it was a page of another origin.
    """
    if origin not in _own(scope):
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
