"""Through a real proxy: it is what is vetted and pinned, and is told no literal address that is refused."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from router.targets.base import Cause
from router.targets.network.connection import Connection, Proxy, Tls
from router.targets.network.vetting import Policy
from router.targets.sender import SendError, open_sender
from tests.certificates import Authority
from tests.proxy import proxying
from tests.receiver import Receiver
from tests.tls_server import https_server

pytestmark = pytest.mark.anyio

OWN = Policy(loopback=True)


async def post(url: str, connection: Connection) -> int:
    async with open_sender("tests", connection) as sender:
        return (await sender.send("POST", url, {"x-a": "b"}, b"hello", 10.0)).status


def nobody(host: str, port: int) -> list[str]:
    raise AssertionError(f"{host} is the proxy's to resolve")


async def test_http_goes_through_the_proxy_which_knows_the_name(receiver: Receiver) -> None:
    url = f"http://intern.test:{receiver.port}/hook"
    with proxying() as proxy:
        assert await post(url, Connection(OWN, proxy=Proxy(proxy.url), resolver=nobody)) == 200
    assert proxy.asked == [f"POST {url} HTTP/1.1"]
    (request,) = receiver.requests
    assert (request.target, request.body, request.headers["host"]) == (
        "/hook",
        b"hello",
        f"intern.test:{receiver.port}",
    )


async def test_https_goes_through_a_tunnel(tmp_path: Path) -> None:
    authority = Authority()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("intern.test").write(tmp_path, "server"))
    context.set_alpn_protocols(["h2"])
    with https_server(context) as server, proxying() as proxy:
        tls = Tls(ca=authority.pem.encode())
        connection = Connection(OWN, tls=tls, proxy=Proxy(proxy.url), resolver=nobody)
        assert await post(f"https://intern.test:{server.port}/", connection) == 200
    assert proxy.asked == [f"CONNECT intern.test:{server.port} HTTP/1.1"]
    assert (server.bodies, server.versions) == ([b"hello"], ["2"])


async def test_a_proxy_that_asks_who_is_there(receiver: Receiver) -> None:
    url = f"http://intern.test:{receiver.port}/"
    with proxying("me:geheim") as proxy:
        assert await post(url, Connection(OWN, proxy=Proxy(proxy.url, "me", "geheim"))) == 200
        assert await post(url, Connection(OWN, proxy=Proxy(proxy.url, "me", "wrong"))) == 407
        with pytest.raises(SendError, match=r"^the proxy does not let intern\.test:\d+ be asked for"):
            await post(url.replace("http", "https"), Connection(OWN, proxy=Proxy(proxy.url)))
    assert len(receiver.requests) == 1


async def test_it_is_the_proxy_that_is_vetted_and_pinned(receiver: Receiver) -> None:
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.5"]

    url = f"http://intern.test:{receiver.port}/"
    with proxying() as proxy:
        named = Proxy(proxy.url.replace("127.0.0.1", "proxy.test"))
        async with open_sender("tests", Connection(OWN, proxy=named, resolver=resolver)) as sender:
            for _ in range(2):
                assert (await sender.send("POST", url, {}, b"", 10.0)).status == 200
        with pytest.raises(SendError, match=r"proxy\.test leads to 10\.0\.0\.5, which is private") as caught:
            await post(url, Connection(OWN, proxy=named, resolver=resolver))
    assert caught.value.cause is Cause.MISDIRECTED
    assert asked == ["proxy.test"] * 2


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("169.254.169.254", "metadata"),
        ("0xa9fea9fe", "metadata"),
        ("10.0.0.5", "private"),
        ("[::ffff:10.0.0.5]", "private"),
        ("[fe80::1]", "link-local"),
    ],
)
async def test_the_proxy_is_not_told_a_literal_address_that_is_refused(host: str, rule: str) -> None:
    with proxying() as proxy, pytest.raises(SendError, match=rule) as caught:
        await post(f"http://{host}/", Connection(OWN, proxy=Proxy(proxy.url)))
    assert (proxy.asked, caught.value.cause) == ([], Cause.MISDIRECTED)


async def test_nor_this_machine_if_the_router_listens_beyond_it() -> None:
    def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    strict = Policy()
    for host in ("127.0.0.1", "localhost", "x.localhost."):
        with pytest.raises(SendError, match=r"127\.0\.0\.1(, which)? is loopback"):
            await post(
                f"http://{host}/", Connection(strict, proxy=Proxy("http://192.0.43.8"), resolver=resolver)
            )


async def test_a_proxy_that_is_not_there(receiver: Receiver) -> None:
    receiver.stop()
    for scheme in ("http", "https"):
        with pytest.raises(
            SendError, match=rf"^connection refused by the proxy 127\.0\.0\.1:{receiver.port}$"
        ):
            await post(f"{scheme}://intern.test/", Connection(OWN, proxy=Proxy(receiver.url)))
    receiver.start()
