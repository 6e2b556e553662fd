"""Clients that are pinned to vetted addresses: what was resolved is what is connected to.

A name that leads to a public address when it is looked at and to a private one when it is connected to (DNS
rebinding) gains nothing: the client never asks for it again. Here the name is asked for again, every `LASTS`
seconds and when no connection comes about, and its addresses are vetted again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from anyio import CapacityLimiter, Lock

from router.targets.network.resolving import Resolver, UnresolvedError, addresses_of
from router.targets.network.special import Address
from router.targets.network.vetting import Policy, literal

LASTS: Final = 60.0
"""Seconds until a name is asked for again. getaddrinfo(3) does not say how long its answer holds."""

_RESOLVE_SECONDS: Final = 5.0
_RESOLVE_AT_ONCE: Final = 4

C = TypeVar("C")

Peer = tuple[str, int]
"""Host, as in a parsed URL, and port."""


@dataclass(frozen=True, slots=True)
class Pin(Generic[C]):
    """A client that connects to one address only.

    Attributes:
        address: that one.
        addresses: all that the name had, vetted.
        until: when it is time to look again (seconds of the steady clock).
    """

    client: C
    address: Address
    addresses: tuple[Address, ...]
    until: float


class Pins(Generic[C]):
    """The pins of one sender, by peer.

    Args:
        policy: which addresses are allowed.
        resolver: who knows them.
        build: makes a client for which this host has this address and no other.
        steady: the time, in seconds since some moment.
        retire: what becomes of a client that is no longer the peer's; requests may be under way with it.
    """

    def __init__(
        self,
        policy: Policy,
        resolver: Resolver,
        build: Callable[[str, Address], C],
        steady: Callable[[], float],
        retire: Callable[[C], None],
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._build = build
        self._steady = steady
        self._retire = retire
        self._pins: dict[Peer, Pin[C]] = {}
        self._looking = Lock()
        self._limiter = CapacityLimiter(_RESOLVE_AT_ONCE)

    def clear(self) -> list[C]:
        """Forget all clients; they are yours to close."""
        pins, self._pins = self._pins, {}
        return [pin.client for pin in pins.values()]

    def fresh(self, peer: Peer) -> Pin[C] | None:
        """The pin of a peer, if it need not be looked at again."""
        pin = self._pins.get(peer)
        return pin if pin is not None and self._steady() < pin.until else None

    async def renewed(self, peer: Peer, seconds: float) -> Pin[C]:
        """The pin of a peer, looked at again.

        A name that cannot be asked for stays where it was: that address was vetted.

        Raises:
            RefusedError: an address is refused.
            UnresolvedError: it is a name without an address.
        """
        async with self._looking:
            if (pin := self.fresh(peer)) is not None:
                return pin  # somebody else has looked
            host, port = peer
            before = self._pins.get(peer)
            if (address := literal(host)) is not None:
                return self._pinned(peer, (address,), math.inf)
            seconds = min(seconds, _RESOLVE_SECONDS)
            if before is not None:  # nobody else need wait for the answer
                self._pins[peer] = replace(before, until=self._steady() + seconds)
            try:
                found = await addresses_of(self._resolver, host, port, seconds, self._limiter)
            except UnresolvedError:
                if before is None:
                    raise
                found = before.addresses
            return self._pinned(peer, found, self._steady() + LASTS)

    def _pinned(self, peer: Peer, addresses: tuple[Address, ...], until: float) -> Pin[C]:
        before = self._pins.pop(peer, None)
        try:
            self._policy.vet(peer[0], addresses)
            if before is not None and before.address in addresses:
                pin = replace(before, addresses=addresses, until=until)
                before = None
            else:
                pin = Pin(self._build(peer[0], addresses[0]), addresses[0], addresses, until)
        finally:
            if before is not None:
                self._retire(before.client)
        self._pins[peer] = pin
        return pin

    def move_on(self, peer: Peer, failed: Pin[C], tried: Collection[Address]) -> bool:
        """Take the peer's next address, because no connection came about; whether there is one.

        It is the one behind that which failed: who may not try them all leaves the rest to the next.
        After the last one the name is asked for again, by whoever wants to connect next.
        """
        now = self._pins.get(peer)
        if now is None or now.address != failed.address:
            return now is not None and now.address not in tried  # somebody else has moved on
        done = now.addresses.index(now.address) + 1
        for address in now.addresses[done:] + now.addresses[:done]:
            if address not in tried:
                self._pins[peer] = replace(now, client=self._build(peer[0], address), address=address)
                self._retire(now.client)
                return True
        if math.isfinite(now.until):
            self._pins[peer] = replace(now, until=-math.inf)
        return False
