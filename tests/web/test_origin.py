"""Web pages: any of them can reach a router on its reader's machine, and only the router's own may send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from router.main import SOURCES
from router.web.origin import ForeignOriginError, check
from tests.web.running import BINARY, Running, binary, head, way_to

FOREIGN = [
    "https://evil.example",
    "http://evil.example:{port}",
    "null",
    "",
    "http://127.0.0.1",
    "http://127.0.0.1:{port}.evil.example",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}, https://evil.example",
    "http://127.0.0.2:{port}",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("host", ["localhost", "evil.example:{port}"])
def test_pages_of_other_origins_may_not_send(running: Running, origin: str, host: str) -> None:
    port = str(running.address[1])
    origin, host = origin.replace("{port}", port), host.replace("{port}", port)
    request = binary(headers={"origin": origin}).replace(b"Host: localhost", b"Host: " + host.encode())
    with running.connect() as wire:
        wire.send(request)
        reply = wire.reply()
        assert reply.status == 403
        assert reply.error == (
            f"the request says that a web page of the origin {origin!r} sent it; "
            "pages of other origins may not send events"
        )
        wire.send(binary())
        assert wire.reply().status == 202
    assert len(running.stored()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_routers_own_pages_may(running: Running, host: str) -> None:
    assert running.ask(binary(headers={"origin": f"http://{host}:{running.address[1]}"})).status == 202


def test_two_origins_are_not_the_routers_own(running: Running) -> None:
    own = f"Origin: http://127.0.0.1:{running.address[1]}\r\n".encode()
    request = binary().replace(b"Host", own + b"Origin: https://evil.example\r\nHost")
    assert running.ask(request).status == 403
    assert running.stored() == []


@pytest.mark.parametrize("kind", SOURCES)
def test_it_is_said_in_every_dialect(running: Running, kind: str) -> None:
    target, fields = way_to(SOURCES[kind]())
    fields = BINARY | fields | {"origin": "https://evil.example", "content-length": "2"}
    reply = running.ask(head(target=target, headers=fields) + b"{}")
    assert reply.status == 403
    assert ("x-bce-request-id" in reply.headers) == (kind == "baidu")


def test_no_page_is_promised_that_it_may(running: Running) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    reply = running.ask(head("OPTIONS", headers=asked))
    assert reply.status == 405
    assert not [name for name in reply.headers if name.startswith("access-control")]


SERVERS: Mapping[tuple[str, int], list[str]] = {
    ("127.0.0.1", 8080): ["http://127.0.0.1:8080", "http://localhost:8080"],
    ("::1", 8080): ["http://[::1]:8080", "http://localhost:8080"],
    ("127.0.0.1", 80): ["http://127.0.0.1", "http://localhost", "http://localhost:80"],
    ("192.0.2.1", 8080): ["http://192.0.2.1:8080"],
}


@pytest.mark.parametrize("server", SERVERS)
def test_an_origin_is_own_by_the_address_at_which_the_router_was_reached(server: tuple[str, int]) -> None:
    scope: dict[str, Any] = {"scheme": "http", "server": server}
    every = {origin for origins in SERVERS.values() for origin in origins}
    for origin in every:
        if origin in SERVERS[server]:
            check(origin, scope)
        else:
            with pytest.raises(ForeignOriginError):
                check(origin, scope)
