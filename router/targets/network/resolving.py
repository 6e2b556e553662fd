"""Asks the operating system for a name's addresses, in a thread and for a bounded time."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

import anyio
from anyio import CapacityLimiter, to_thread

from router.errors import RouterError
from router.targets.network.special import Address

Resolver = Callable[[str, int], Sequence[str]]
"""The addresses of a host (for a port), the best one first; blocks. Raises OSError or UnicodeError."""


class UnresolvedError(RouterError):
    """A name has no address."""


def system(host: str, port: int) -> list[str]:
    """What getaddrinfo(3) says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def addresses_of(
    resolver: Resolver, host: str, port: int, seconds: float, limiter: CapacityLimiter
) -> tuple[Address, ...]:
    """A name's addresses; at least one.

    Args:
        resolver: who is asked.
        host: a name, in ASCII.
        port: some systems look at it.
        seconds: how long to wait. A thread that takes longer is left alone, and counts in `limiter` until
            it ends.
        limiter: how many may ask at once.

    Raises:
        UnresolvedError: there is none, or nobody said so in time.
    """
    try:
        with anyio.fail_after(seconds):
            found = await to_thread.run_sync(resolver, host, port, abandon_on_cancel=True, limiter=limiter)
    except TimeoutError:
        raise UnresolvedError(f"the name {host} was not resolved within {seconds:.3g} s") from None
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UnresolvedError(f"the name {host} cannot be resolved: {why}") from None
    if not found:
        raise UnresolvedError(f"the name {host} cannot be resolved: it has no address")
    return tuple(ip_address(one) for one in found)
