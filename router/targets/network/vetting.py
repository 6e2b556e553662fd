"""Which addresses a target may have. Pure: names are resolved elsewhere, and spellings read by the client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from router.errors import RouterError
from router.targets.network.special import LOOPBACK, Address, Network, carried, is_excused, is_mapped, special


class RefusedError(RouterError):
    """The router does not connect to this address."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Where connections may go beside the public internet.

    Attributes:
        allow: networks that are allowed whatever they are.
        loopback: whether this machine itself is allowed: it is where the router listens on loopback only.
    """

    allow: tuple[Network, ...] = ()
    loopback: bool = False

    def refusal(self, address: Address) -> str | None:
        """What an address is that is refused, as in "10.0.0.5 is …"; None for one that is allowed.

        One that holds another is refused for either of them.
        """
        if self._allows(address):
            return None
        for held, form in carried(address):
            what = None if self._allows(held) else special(held)
            if what is not None and not (what == LOOPBACK and self.loopback and is_mapped(address)):
                return f"the {form} form of {held}, which is {what}"
        what = None if is_excused(address) else special(address)
        return None if what == LOOPBACK and self.loopback else what

    def vet(self, host: str, addresses: Iterable[Address]) -> None:
        """Look at every address that a host has: one that is refused refuses them all.

        Raises:
            RefusedError: it says which rule refused it, and what to do.
        """
        for address in addresses:
            if (what := self.refusal(address)) is not None:
                named = literal(host) is None
                who = f"the name {host} leads to {address}, which" if named else str(address)
                raise RefusedError(f"{who} is {what}, and never connected to: {remedy(str(address), what)}")

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self.allow)


ANYWHERE: Final = Policy((ip_network("0.0.0.0/0"), ip_network("::/0")), loopback=True)
"""For addresses that somebody typed at this machine."""


def remedy(address: str, what: str) -> str:
    """What to do about an address that was refused."""
    because = " (this router does not listen on loopback only)" if what == LOOPBACK else ""
    return f"add {address} to `allow`, if it is meant{because}"


def literal(host: str) -> Address | None:
    """The address that the host of a parsed URL is; None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def surely(host: str) -> Address | None:
    """The address that a host is for whoever resolves it: a literal one, or `localhost` (RFC 6761, 6.3)."""
    name = host.rstrip(".")
    return ip_address("127.0.0.1") if name.split(".")[-1] == "localhost" else literal(host)
