"""Laws of addresses: what carries one is what it carries, and no spelling hides one."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyreqwest.http import Url

from router.targets.network.special import LOOPBACK, Network, carried, is_excused, special
from router.targets.network.vetting import ANYWHERE, Policy, literal

FORBIDDEN: list[Network] = [
    ip_network(network)
    for network in [
        "10.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "169.254.169.254/32",
        "192.168.0.0/16",
        "224.0.0.0/4",
        "::1/128",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fd00:ec2::254/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "4000::/3",
    ]
]


@st.composite
def spellings(draw: st.DrawFn) -> tuple[IPv4Address, str]:
    """An address, and a host that means it (WHATWG URL, section 3.5): one to four parts, of any base."""
    address = IPv4Address(draw(st.binary(min_size=4, max_size=4)))
    parts = draw(st.integers(1, 4))
    octets = address.packed
    numbers = [*octets[: parts - 1], int.from_bytes(octets[parts - 1 :], "big")]
    forms = [draw(st.sampled_from(["{}", "0x{:x}", "0X{:X}", "0{:o}", "000{:o}"])) for _ in numbers]
    dot = draw(st.sampled_from([".", "\u3002", "%2E"]))
    end = draw(st.sampled_from(["", ".", "\uff0e"]))
    return address, dot.join(form.format(number) for form, number in zip(forms, numbers, strict=True)) + end


@given(spellings())
def test_no_spelling_hides_an_address(given_one: tuple[IPv4Address, str]) -> None:
    address, spelling = given_one
    host = Url(f"http://{spelling}:80/").host_str
    assert host is not None
    assert literal(host) == address


@given(st.ip_addresses())
def test_anywhere_is_anywhere(address: Any) -> None:
    assert ANYWHERE.refusal(address) is None


@given(st.ip_addresses(v=4))
def test_whoever_carries_an_address_is_what_the_address_is(inner: Any) -> None:
    number = int(inner)
    for outer in (
        (0xFFFF << 32) | number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80) | 1,
        (0x2606 << 112) | (0x5EFE << 32) | number,
    ):
        address = ip_address(outer.to_bytes(16, "big"))
        assert inner in [held for held, _ in carried(address)]
        assert (Policy().refusal(address) is None) == (special(inner) is None)


@given(st.data(), st.sampled_from(FORBIDDEN))
def test_an_address_of_a_forbidden_range_is_refused_whatever_its_low_bits_say(
    data: st.DataObject, network: Network
) -> None:
    drawn = data.draw(st.ip_addresses(network=network))
    public = int(data.draw(st.ip_addresses(v=4, network="8.8.8.0/24")))
    forms = [0, (0x5EFE << 32) | public, (0x2005EFE << 32) | public, (0xFFFF << 32) | public]
    low = data.draw(st.sampled_from(forms)) & int(network.hostmask)
    address = ip_address((int(drawn) | low).to_bytes(network.max_prefixlen // 8, "big"))
    assert address in network
    for policy in (Policy(), Policy(loopback=True)):
        kept = policy.loopback and (special(address) == LOOPBACK)
        assert kept or policy.refusal(address) is not None


@given(st.ip_addresses())
def test_what_python_knows_to_be_no_public_address_is_refused(address: Any) -> None:
    if not address.is_global or address.is_multicast:
        assert Policy().refusal(address) is not None or is_excused(address)
