"""What clients sign of an address, and that every kind of source reads `public_url` alike."""

from __future__ import annotations

from typing import Any

import pytest

from router.signatures import address, bce
from router.signatures.address import Address
from router.signatures.base import Key
from router.sources.alibaba import AlibabaSettings
from router.sources.aws import AwsSettings, AwsSource
from router.sources.baidu import BaiduSettings, BaiduSource
from router.sources.base import Request, Source
from router.sources.openapi import OpenApiSettings, OpenApiSource
from tests.signatures.acs_signer import signed as signed_by_acs
from tests.signatures.sigv4_signer import signed as signed_by_aws

NOW = 1_790_000_000.0
BODY = b"{}"
KEYS = [{"id": "AK", "secret": "SK"}]


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://r.example", "r.example", "/"),
        ("https://r.example:443/a", "r.example", "/a"),
        ("http://r.example:80/a", "r.example", "/a"),
        ("http://r.example:443/a", "r.example:443", "/a"),
        ("HTTPS://R.Example:8443/A%20b?c#d", "r.example:8443", "/A%20b"),
        ("https://user:word@r.example:443/", "r.example", "/"),
        ("https://r.example:/", "r.example", "/"),
        ("http://[::1]:80/", "[::1]", "/"),
    ],
)
def test_host_and_path_are_those_that_clients_sign(url: str, host: str, path: str) -> None:
    assert address.of(url) == Address(host, path)


def _baidu(host: str) -> dict[str, str]:
    return {"authorization": bce.sign(Key("AK", "SK"), "POST", "/", "", {"host": host}, at=NOW)}


def _openapi(host: str) -> dict[str, str]:
    assert host == "api.example.com"
    return signed_by_acs("SK", BODY, at=NOW)


def _aws(host: str) -> dict[str, str]:
    return signed_by_aws(Key("AK", "SK"), BODY, at=NOW, more={"host": host})


def _made(kind: str, **settings: Any) -> Source:
    given = {"kind": kind, "keys": KEYS, **settings}
    if kind == "baidu":
        return BaiduSource(BaiduSettings.model_validate(given))
    if kind == "aws":
        return AwsSource(AwsSettings.model_validate(given))
    return OpenApiSource(OpenApiSettings.model_validate(given))


@pytest.mark.parametrize(("kind", "sign"), [("baidu", _baidu), ("openapi", _openapi), ("aws", _aws)])
@pytest.mark.parametrize(
    "url", ["https://API.Example.com:443/", "https://api.example.com", "http://api.example.com:80"]
)
def test_each_kind_reads_a_public_url_in_the_same_way(kind: str, sign: Any, url: str) -> None:
    headers = {**sign("api.example.com"), "host": "10.0.0.7:8080"}
    _made(kind, public_url=url).admit(Request("POST", "/", "", headers, BODY, NOW))


def test_who_serves_sdks_beside_pushes_serves_them_at_the_same_host() -> None:
    """The path is not the pushes': SDKs know a host alone."""
    given = {"kind": "alibaba", "keys": KEYS, "public_url": "https://API.Example.com:443/alibaba"}
    also = AlibabaSettings.model_validate(given).also
    assert also is not None
    kind, settings = also
    source = OpenApiSource(OpenApiSettings.model_validate({"kind": kind, **settings}))
    headers = {**_openapi("api.example.com"), "host": "10.0.0.7:8080"}
    source.admit(Request("POST", "/", "", headers, BODY, NOW))


def test_without_a_public_url_they_are_served_as_they_come() -> None:
    also = AlibabaSettings.model_validate({"kind": "alibaba", "keys": KEYS}).also
    assert also is not None
    settings = OpenApiSettings.model_validate({"kind": also[0], **also[1]})
    OpenApiSource(settings).admit(Request("POST", "/", "", _openapi("api.example.com"), BODY, NOW))
