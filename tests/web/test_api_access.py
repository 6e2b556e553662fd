from __future__ import annotations

from typing import Any

import pytest

from router.errors import MessageError
from router.web.api_access import Access, TokenNeededError
from router.web.origin import ForeignOriginError

TOKEN = "a-token-that-nobody-guesses"


def scope(address: str = "127.0.0.1", method: str = "GET", **headers: str | list[str]) -> dict[str, Any]:
    """A request as the server hands it over; header names with `_` for `-`."""
    fields = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, values in ({"host": "127.0.0.1:8080"} | headers).items()
        for value in (values if isinstance(values, list) else [values])
    ]
    about = {"type": "http", "method": method, "scheme": "http", "server": (address, 8080)}
    return about | {"headers": fields}


def refusal(loopback: bool, asked: dict[str, Any]) -> type[MessageError] | None:
    try:
        Access(TOKEN, loopback).check(asked)
    except MessageError as error:
        return type(error)
    return None


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_who_has_the_token_comes_in_from_anywhere(header: str, loopback: bool) -> None:
    assert refusal(loopback, scope(authorization=header, host="router.example.com")) is None
    assert refusal(loopback, scope(authorization=header, x_forwarded_for="192.0.2.1")) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \xff\xfe",
        [f"Bearer {TOKEN}", f"Bearer {TOKEN}"],
    ],
)
def test_other_tokens_do_not(header: str | list[str]) -> None:
    assert refusal(False, scope(authorization=header)) is TokenNeededError


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.8.7.6:1",
        "localhost",
        "LocalHost:8080",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]:80",
    ],
)
def test_on_the_machine_itself_nobody_needs_one(host: str) -> None:
    assert refusal(True, scope(host=host)) is None
    assert refusal(False, scope(host=host)) is TokenNeededError


@pytest.mark.parametrize(
    "host",
    [
        "router.example.com",
        "router.example.com:8080",
        "localhost.example.com",
        "localhost.",
        "xlocalhost",
        "192.0.2.1",
        "0.0.0.0",
        "[::]",
        "[::2]:8080",
        "[::ffff:192.0.2.1]",
        "::1",
        "[::1",
        "::1]",
        "127.0.0.1:80:80",
        "127.0.0.1:x",
        "127.0.0.1:",
        "127.1",
        "2130706433",
        "127.0.0.1@example.com",
        "127.0.0.1/x",
        " 127.0.0.1",
        "",
    ],
)
def test_a_name_that_was_bound_to_this_machine_needs_one(host: str) -> None:
    assert refusal(True, scope(host=host)) is TokenNeededError


def test_a_request_with_no_host_or_two_needs_one() -> None:
    bare = scope()
    bare["headers"] = []
    assert refusal(True, bare) is TokenNeededError
    assert refusal(True, scope(host=["127.0.0.1", "127.0.0.1"])) is TokenNeededError


@pytest.mark.parametrize(
    "header",
    ["forwarded", "x_forwarded_for", "x_forwarded_host", "x_forwarded_proto", "x_forwarded_anything"],
)
def test_what_a_proxy_passes_on_needs_one(header: str) -> None:
    assert refusal(True, scope(**{header: "for=127.0.0.1"})) is TokenNeededError


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "http://localhost:8080"])
def test_the_routers_own_pages_come_in(origin: str) -> None:
    assert refusal(True, scope(origin=origin)) is None


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://127.0.0.1:8081",
        "https://127.0.0.1:8080",
        "http://127.0.0.1:8080.evil.example",
        ["http://127.0.0.1:8080", "https://evil.example"],
    ],
)
def test_pages_of_other_origins_never_do(origin: str | list[str]) -> None:
    assert refusal(True, scope(origin=origin)) is ForeignOriginError
    assert refusal(True, scope(origin=origin, authorization=f"Bearer {TOKEN}")) is ForeignOriginError


def test_the_refusal_says_where_the_token_is() -> None:
    with pytest.raises(
        TokenNeededError, match=r"the token in api\.json, in the router's data folder"
    ) as caught:
        Access(TOKEN, loopback=False).check(scope())
    assert caught.value.status == 401
    assert TOKEN not in caught.value.message


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_who_changes_something_needs_the_token_on_the_machine_itself_too(method: str) -> None:
    """A proxy's default request has this machine's name as its host, and no field of the proxy's own."""
    assert refusal(True, scope(method=method)) is TokenNeededError
    assert refusal(True, scope(method=method, authorization=f"Bearer {TOKEN}")) is None
