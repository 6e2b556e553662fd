"""TLS and HTTP/2 with a real server and an authority of the test's own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router.targets.network.connection import Connection, Tls
from router.targets.sender import Reply, SendError, open_sender
from tests.certificates import Authority, Identity, self_signed
from tests.tls_server import HttpsServer, https_server

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def context_of(identity: Identity, folder: Path, *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity.write(folder, "server"))
    context.set_alpn_protocols(protocols or ["h2", "http/1.1"])
    return context


@contextmanager
def serving(
    authority: Authority, folder: Path, *protocols: str, name: str = "127.0.0.1"
) -> Iterator[HttpsServer]:
    with https_server(context_of(authority.issue(name), folder, *protocols)) as server:
        yield server


async def post(server: HttpsServer, tls: Tls, host: str = "127.0.0.1") -> Reply:
    connection = Connection(tls=tls, resolver=lambda _host, _port: ["127.0.0.1"])
    async with open_sender("tests", connection, every_header=True) as sender:
        return await sender.send("POST", f"https://{host}:{server.port}/hook", {"x-a": "b"}, b"hello", 10.0)


async def test_a_private_authority_is_trusted_when_it_is_named(authority: Authority, tmp_path: Path) -> None:
    with serving(authority, tmp_path) as server:
        several = Authority("another").pem + authority.pem
        reply = await post(server, Tls(ca=several.encode()))
    assert (reply.status, reply.body, reply.headers["x-seen"]) == (200, b"thanks", "yes")
    assert server.bodies == [b"hello"]


async def test_nobody_is_trusted_who_is_not_known(authority: Authority, tmp_path: Path) -> None:
    with serving(authority, tmp_path) as server:
        for tls in (Tls(), Tls(ca=Authority("another").pem.encode())):
            with pytest.raises(SendError, match=r"^TLS with 127\.0\.0\.1:\d+ failed: .*nobody trusted here"):
                await post(server, tls)
    assert server.bodies == []


async def test_a_certificate_for_another_name_is_refused(authority: Authority, tmp_path: Path) -> None:
    with serving(authority, tmp_path, name="hooks.example.com") as server:
        tls = Tls(ca=authority.pem.encode())
        with pytest.raises(
            SendError, match=r"^TLS with other\.example\.com:\d+ failed: .*not valid for name"
        ):
            await post(server, tls, "other.example.com")
        assert (await post(server, tls, "hooks.example.com")).status == 200


async def test_a_certificate_whose_time_is_over_is_refused(authority: Authority, tmp_path: Path) -> None:
    context = context_of(authority.issue("127.0.0.1", ended=True), tmp_path)
    with https_server(context) as server, pytest.raises(SendError, match=r"TLS with .* failed: .*expired"):
        await post(server, Tls(ca=authority.pem.encode()))


async def test_a_client_certificate_opens_what_is_closed_without(
    authority: Authority, tmp_path: Path
) -> None:
    context = context_of(authority.issue("127.0.0.1"), tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.pem)
    ca, me = authority.pem.encode(), authority.issue("router")
    with https_server(context) as server:
        with pytest.raises(SendError, match="before it answered"):
            await post(server, Tls(ca=ca))
        shown = Tls(ca=ca, certificate=me.certificate.encode(), key=me.key.encode())
        assert (await post(server, shown)).status == 200


@pytest.mark.parametrize(("minimum", "works"), [("1.2", True), ("1.3", False)])
async def test_the_oldest_version(authority: Authority, tmp_path: Path, minimum: str, works: bool) -> None:
    context = context_of(authority.issue("127.0.0.1"), tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    tls = Tls(ca=authority.pem.encode(), minimum="1.3" if minimum == "1.3" else "1.2")
    with https_server(context) as server:
        if works:
            assert (await post(server, tls)).status == 200
        else:
            with pytest.raises(SendError, match=r"^TLS with .* failed: .*`tls\.minimum`"):
                await post(server, tls)


@pytest.mark.parametrize(
    ("protocols", "spoken"),
    [(("h2", "http/1.1"), "2"), (("http/1.1",), "1.1")],
    ids=["offered", "not offered"],
)
async def test_http_2_where_it_is_offered(
    authority: Authority, tmp_path: Path, protocols: tuple[str, ...], spoken: str
) -> None:
    with serving(authority, tmp_path, *protocols) as server:
        await post(server, Tls(ca=authority.pem.encode()))
    assert server.versions == [spoken]
    assert server.headers[0]["x-a"] == "b"


async def test_a_certificate_that_signed_itself_is_trusted_when_it_is_named(tmp_path: Path) -> None:
    identity = self_signed("127.0.0.1")
    with https_server(context_of(identity, tmp_path)) as server:
        with pytest.raises(SendError, match="nobody trusted here"):
            await post(server, Tls())
        assert (await post(server, Tls(ca=identity.certificate.encode()))).status == 200
