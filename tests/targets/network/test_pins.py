from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import anyio
import pytest

from router.targets.network.pins import LASTS, Pins
from router.targets.network.resolving import UnresolvedError
from router.targets.network.special import Address
from router.targets.network.vetting import Policy, RefusedError

pytestmark = pytest.mark.anyio

PEER = ("hooks.test", 443)
PUBLIC = ["93.184.216.34", "93.184.216.35"]


class Names:
    """A resolver whose answers are in a list: addresses, or an error."""

    def __init__(self, *answers: list[str] | OSError) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int) -> list[str]:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def pins_of(
    *answers: list[str] | OSError,
    build: Callable[[str, Address], Any] = lambda *_: object(),
    retire: Callable[[Any], None] = lambda _: None,
) -> tuple[Pins[Any], Time]:
    clock = Time()
    return Pins(Policy(), Names(*answers), build, clock, retire), clock


async def test_a_pin_holds_for_a_while_and_keeps_its_client_while_the_address_stays() -> None:
    pins, clock = pins_of([PUBLIC[0]], PUBLIC[::-1])
    first = await pins.renewed(PEER, 1)
    clock.now = LASTS - 1
    assert pins.fresh(PEER) is first
    clock.now = LASTS
    assert pins.fresh(PEER) is None
    second = await pins.renewed(PEER, 1)
    assert (second.client, second.address) == (first.client, first.address)
    assert pins.fresh(PEER) is second


async def test_an_address_that_changes_gets_another_client() -> None:
    built: list[tuple[str, str]] = []

    def build(host: str, address: Address) -> str:
        built.append((host, str(address)))
        return str(address)

    pins, clock = pins_of([PUBLIC[0]], [PUBLIC[1]], build=build)
    await pins.renewed(PEER, 1)
    clock.now = LASTS
    assert (await pins.renewed(PEER, 1)).client == PUBLIC[1]
    assert built == [("hooks.test", PUBLIC[0]), ("hooks.test", PUBLIC[1])]


async def test_an_address_that_turns_bad_takes_the_pin_with_it() -> None:
    pins, clock = pins_of([PUBLIC[0]], ["169.254.169.254"], ["10.0.0.1"], [PUBLIC[0]])
    await pins.renewed(PEER, 1)
    clock.now = LASTS
    for rule in ("metadata", "private"):
        with pytest.raises(RefusedError, match=rule):
            await pins.renewed(PEER, 1)
        assert pins.fresh(PEER) is None
    assert (await pins.renewed(PEER, 1)).address == ip_address(PUBLIC[0])


async def test_a_resolver_in_trouble_costs_nobody_a_vetted_address() -> None:
    pins, clock = pins_of([PUBLIC[0]], OSError("no server"), [])
    first = await pins.renewed(PEER, 1)
    for turn in (1, 2):
        clock.now = LASTS * turn
        assert (await pins.renewed(PEER, 1)).client is first.client


async def test_a_name_without_an_address() -> None:
    pins, _ = pins_of(OSError(-2, "Name or service not known"), [])
    for why in ("Name or service not known", "it has no address"):
        with pytest.raises(UnresolvedError, match=rf"^the name hooks\.test cannot be resolved: {why}$"):
            await pins.renewed(PEER, 1)


async def test_each_address_is_tried_once_and_then_the_name_is_asked_for_again() -> None:
    pins, _ = pins_of(PUBLIC, ["93.184.216.40"])
    first = await pins.renewed(PEER, 1)
    tried = {first.address}
    assert pins.move_on(PEER, first, tried)
    second = pins.fresh(PEER)
    assert second is not None
    assert (second.address, second.client is first.client) == (ip_address(PUBLIC[1]), False)
    assert pins.move_on(PEER, first, tried)  # another request's failure at the first one moves nothing
    assert pins.fresh(PEER) is second
    assert not pins.move_on(PEER, second, tried | {second.address})
    assert pins.fresh(PEER) is None
    assert (await pins.renewed(PEER, 1)).address == ip_address("93.184.216.40")


async def test_many_who_want_the_same_name_ask_once() -> None:
    pins, _ = pins_of([PUBLIC[0]])
    found = []

    async def want() -> None:
        found.append(await pins.renewed(PEER, 1))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(want)
    assert len({id(pin) for pin in found}) == 1


async def test_whoever_is_the_peers_no_longer_is_retired_and_nobody_else() -> None:
    retired: list[str] = []
    answers = ([PUBLIC[0]], PUBLIC[::-1], PUBLIC[1:], PUBLIC, ["10.0.0.1"])
    pins, clock = pins_of(*answers, build=lambda _, address: str(address), retire=retired.append)
    await pins.renewed(PEER, 1)
    clock.now = LASTS
    await pins.renewed(PEER, 1)
    assert retired == []  # its address is still one of the name's
    clock.now = 2 * LASTS
    await pins.renewed(PEER, 1)
    assert retired == [PUBLIC[0]]
    clock.now = 3 * LASTS
    assert pins.move_on(PEER, await pins.renewed(PEER, 1), {ip_address(PUBLIC[1])})
    assert retired == PUBLIC
    clock.now = 4 * LASTS
    with pytest.raises(RefusedError):
        await pins.renewed(PEER, 1)
    assert retired == [*PUBLIC, PUBLIC[0]]
    assert pins.clear() == []
