"""Addresses that are no public peer, as IANA's special-purpose registries (RFC 6890) have them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: Final = "loopback (RFC 1122, RFC 4291)"

_METADATA = (
    ("100.100.100.200/32", "Alibaba Cloud"),
    ("168.63.129.16/32", "Azure"),
    ("169.254.0.23/32", "Tencent Cloud"),
    ("169.254.169.254/32", "AWS, Azure, Google, Baidu and others"),
    ("169.254.170.2/32", "AWS containers"),
    ("192.0.0.192/32", "Oracle Cloud"),
    ("fd00:ec2::254/128", "AWS"),
    ("fd00:ec2::23/128", "AWS containers"),
    ("fd20:ce::254/128", "Google Cloud"),
)
"""Where a cloud's machines ask for their own credentials. They come first: most are link-local, too."""

_SPECIAL = (
    ("0.0.0.0/8", "this host, unspecified (RFC 1122)"),
    ("10.0.0.0/8", "private (RFC 1918)"),
    ("100.64.0.0/10", "shared address space (RFC 6598)"),
    ("127.0.0.0/8", LOOPBACK),
    ("169.254.0.0/16", "link-local (RFC 3927)"),
    ("172.16.0.0/12", "private (RFC 1918)"),
    ("192.0.0.0/24", "reserved for protocols (RFC 6890)"),
    ("192.0.2.0/24", "reserved for documentation (RFC 5737)"),
    ("192.88.99.0/24", "reserved, once 6to4 relays (RFC 7526)"),
    ("192.168.0.0/16", "private (RFC 1918)"),
    ("198.18.0.0/15", "reserved for benchmarks (RFC 2544)"),
    ("198.51.100.0/24", "reserved for documentation (RFC 5737)"),
    ("203.0.113.0/24", "reserved for documentation (RFC 5737)"),
    ("224.0.0.0/4", "multicast (RFC 5771)"),
    ("255.255.255.255/32", "broadcast (RFC 919)"),
    ("240.0.0.0/4", "reserved (RFC 1112)"),
    ("::/128", "unspecified (RFC 4291)"),
    ("::1/128", LOOPBACK),
    ("64:ff9b:1::/48", "local NAT64 (RFC 8215)"),
    ("100::/64", "discarded (RFC 6666)"),
    ("2001:db8::/32", "reserved for documentation (RFC 3849)"),
    ("2001::/23", "reserved for protocols (RFC 2928)"),
    ("3fff::/20", "reserved for documentation (RFC 9637)"),
    ("5f00::/16", "segment routing (RFC 9602)"),
    ("fc00::/7", "unique-local, private (RFC 4193)"),
    ("fe80::/10", "link-local (RFC 4291)"),
    ("fec0::/10", "site-local (RFC 3879)"),
    ("ff00::/8", "multicast (RFC 4291)"),
)

_TABLE: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ip_network(network), what)
    for network, what in (
        *((network, f"the metadata address of {cloud}") for network, cloud in _METADATA),
        *_SPECIAL,
    )
)

_UNICAST: Final = IPv6Network("2000::/3")
"""All that IANA has given out (RFC 4291, section 2.4)."""

_LOW = 0xFFFFFFFF

_CARRIERS: Final = (
    (IPv6Network("::ffff:0:0/96"), "IPv4-mapped (RFC 4291)", 0),
    (IPv6Network("::ffff:0:0:0/96"), "IPv4-translated (RFC 2765)", 0),
    (IPv6Network("64:ff9b::/96"), "NAT64 (RFC 6052)", 0),
    (IPv6Network("2002::/16"), "6to4 (RFC 3056)", 80),
    (IPv6Network("::/96"), "IPv4-compatible (RFC 4291)", 0),
)
"""Forms of IPv6 that hold an IPv4 address, so many bits from their right end."""

_TEREDO: Final = IPv6Network("2001::/32")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
_MAPPED: Final = _CARRIERS[0][0]
_EXCUSED: Final = (_MAPPED, IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16"))
"""Those whose addresses lead to where the one in them does, and nowhere else. The others are old, local, or a
mere look of the last 64 bits (ISATAP): whoever has a network can give such an address to a machine in it."""


def special(address: Address) -> str | None:
    """What is special about an address itself; None for a public one."""
    for network, what in _TABLE:
        if address in network:
            return what
    if address.version == 6 and address not in _UNICAST:  # noqa: PLR2004 -- a version's name
        return "reserved, given out to nobody (RFC 4291)"
    return None


def is_mapped(address: Address) -> bool:
    """Whether a connection to it is one to the IPv4 address in it."""
    return address in _MAPPED


def is_excused(address: Address) -> bool:
    """Whether it is nothing but the IPv4 address in it: its own range does not count then."""
    return any(address in network for network in _EXCUSED)


def carried(address: Address) -> Iterator[tuple[IPv4Address, str]]:
    """The IPv4 addresses that an IPv6 address stands for, each with the name of that form."""
    if isinstance(address, IPv4Address) or int(address) <= 1:  # `::` and `::1` are themselves
        return
    number = int(address)
    for network, form, shift in _CARRIERS:
        if address in network:
            yield IPv4Address(number >> shift & _LOW), form
            return
    if address in _TEREDO:
        yield IPv4Address(number >> 64 & _LOW), "Teredo (RFC 4380), by its server,"
        yield IPv4Address(~number & _LOW), "Teredo (RFC 4380)"
    elif number >> 32 & _LOW in _ISATAP:
        yield IPv4Address(number & _LOW), "ISATAP (RFC 5214)"
