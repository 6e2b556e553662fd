"""Pushes of Alibaba's senders, signed with a key of our own, and sources that they go to."""

from __future__ import annotations

from typing import Any

import pytest

from router.signatures import eventbridge, mns
from router.signatures.base import Reason, SignatureError
from router.sources.alibaba import AlibabaSettings, AlibabaSource
from router.sources.base import Request, Wanted
from tests.signatures.certificates import NOW, certificate, private_key

KEY = private_key()

PEM = certificate(KEY)

HOST = "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com"

CERTIFICATE = f"{HOST}/x509_public_certificate_2021012501.pem"

OF_SMQ = "https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem"

URL = "https://router.example.com/alibaba"

BODY = b'{"specversion":"1.0","id":"1","source":"acs.imm","type":"imm:Task:X"}'


def source(**settings: Any) -> AlibabaSource:
    return AlibabaSource(AlibabaSettings.model_validate({"kind": "alibaba", **settings}))


def pinned(**settings: Any) -> AlibabaSource:
    return source(public_url=URL, certificate=PEM.decode(), **settings)


def push(
    headers: dict[str, str], body: bytes = BODY, *, query: str = "", now: float = NOW, path: str = "/alibaba"
) -> Request:
    return Request("POST", path, query, headers, body, now)


def signed(**given: Any) -> dict[str, str]:
    """The headers of EventBridge's push."""
    given = {"at": NOW, **given}
    url, body = given.pop("url", URL), given.pop("body", BODY)
    key, named = given.pop("key", KEY), given.pop("certificate", CERTIFICATE)
    return eventbridge.sign(key, named, url, body, **given)


def queued(resource: str = "/alibaba", **given: Any) -> dict[str, str]:
    """The headers of SMQ's push."""
    key, named = given.pop("key", KEY), given.pop("certificate", OF_SMQ)
    headers = {
        "content-type": "text/xml;charset=utf-8",
        "x-mns-request-id": "5745",
        "x-mns-version": "2015-06-06",
    }
    return mns.sign(key, named, resource, headers, given.pop("body", BODY), at=NOW)


def why(asked: AlibabaSource, request: Request) -> tuple[Reason, int]:
    with pytest.raises(SignatureError) as caught:
        asked.admit(request)
    message = caught.value.message
    assert not [value for value in request.headers.values() if len(value) > 9 and value in message]
    assert "t0ken" not in message
    return caught.value.reason, caught.value.status


def learnt(asked: AlibabaSource, request: Request, content: bytes = PEM) -> str:
    """Give it what it wants to know about a request; returns the address."""
    with pytest.raises(Wanted) as caught:
        asked.admit(request)
    caught.value.learn(content)
    return caught.value.url
