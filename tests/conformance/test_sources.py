"""The built-in sources keep the contract of sources."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

import msgspec
from hypothesis import strategies as st

from router.main import SOURCES
from router.samples import CLOUDS, Sample, load
from router.signatures import bce, eventbridge
from router.signatures.base import Key
from router.sources.alibaba import AlibabaSource
from router.sources.aws import AwsSource
from router.sources.baidu import BaiduSource
from router.sources.base import Request
from router.sources.cloudevents import CloudEventsSource
from router.sources.openapi import MAX_ENTRIES, OpenApiSource
from router.sources.tencent import TencentSource
from router.testing.sources import Sender, SourceContract
from router.testing.strategies import json_texts
from tests.signatures.test_acs import BODY_V3, SIGNED_AT, V3
from tests.sources.aws import ENTRY, KEY, KEYS, put
from tests.sources.support import post

TOKEN = "a-token-of-ones-own"
BAIDU = Key("ak-1", "a-secret-of-baidu")
EVENT = b'{"specversion":"1.0","id":"1","source":"s","type":"t"}'
BATCH = {"content-type": "application/cloudevents-batch+json"}

BODIES = st.one_of(
    st.sampled_from([sample.body for cloud in CLOUDS for sample in load(cloud)]),
    json_texts.map(lambda text: b'{"events": [%b]}' % text),
    st.tuples(json_texts, json_texts).map(lambda drawn: b'{"events": %b, "events": [%b]}' % drawn),
    json_texts.map(
        lambda text: (
            b'{"events": [{"content": {"domain": "d", "bucket": "b", "object": "o"}, "x": %b}]}' % text
        )
    ),
    json_texts.map(lambda text: b'{"EventName": "X", "JobsDetail": %b, "data": %b}' % (text, text)),
    json_texts.map(lambda text: b'{"source": "s", "type": "t", "x": %b, "data": %b}' % (text, text)),
    json_texts.map(lambda text: b'{"Entries": [{"Source": "s", "DetailType": "t", "Detail": %b}]}' % text),
)
"""What looks like the requests of one of them."""


def repeated(
    before: bytes, one: bytes, behind: bytes, headers: Mapping[str, str] = BATCH
) -> Callable[[int], Request]:
    """Makes requests of many events: what stands before them, one, and what stands behind."""
    return lambda count: post(before + b",".join([one] * count) + behind, headers=headers)


def samples(cloud: str, headers: Mapping[str, str], query: str = "") -> Iterator[Request]:
    for sample in load(cloud):
        path, _, own = sample.path.partition("?")
        more = {"content-type": sample.content_type, **headers}
        yield post(sample.body, path, "&".join(filter(None, [own, query])), more)


def pushed(sample: Sample) -> Request:
    """As Baidu signs it."""
    path, _, query = sample.path.partition("?")
    headers = {
        "host": "router.local",
        "content-type": sample.content_type,
        "content-length": str(len(sample.body)),
        **bce.digests(sample.body),
    }
    request = post(sample.body, path, query, headers)
    signature = bce.sign(BAIDU, "POST", path, query, headers, at=request.received)
    return msgspec.structs.replace(request, headers={**headers, "authorization": signature})


class TestCloudEvents(SourceContract):
    sender = Sender(
        CloudEventsSource,
        [
            post(EVENT, headers={"content-type": kind, "authorization": f"Bearer {TOKEN}"})
            for kind in ("application/cloudevents+json", "application/cloudevents+json; charset=utf-8")
        ],
        {"token": TOKEN},
        [TOKEN],
        repeated(b"[", EVENT, b"]"),
        bodies=BODIES,
    )


class TestAlibaba(SourceContract):
    sender = Sender(
        AlibabaSource,
        [*samples("alibaba", {eventbridge.TOKEN: TOKEN})],
        {"token": TOKEN},
        [TOKEN],
        repeated(b"[", EVENT, b"]"),
        bodies=BODIES,
    )


class TestOpenApi(SourceContract):
    sender = Sender(
        OpenApiSource,
        [Request("POST", "/", "", V3, BODY_V3, SIGNED_AT)],
        {"keys": [{"id": "AK", "secret": "SK"}, {"id": "OTHER", "secret": "a-secret-of-alibaba"}]},
        ["SK", "a-secret-of-alibaba"],
        repeated(b"[", EVENT, b"]"),
        MAX_ENTRIES,
        BODIES,
    )


class TestBaidu(SourceContract):
    sender = Sender(
        BaiduSource,
        [*map(pushed, load("baidu"))],
        {"keys": [{"id": BAIDU.id, "secret": BAIDU.secret}]},
        [BAIDU.secret],
        repeated(
            b'{"events":[', b'{"content":{"domain":"d","bucket":"b","object":"o"},"imageOcr":{}}', b"]}"
        ),
        bodies=BODIES,
    )


class TestTencent(SourceContract):
    sender = Sender(
        TencentSource,
        [*samples("tencent", {}, f"token={TOKEN}")],
        {"token": TOKEN},
        [TOKEN],
        repeated(b'{"EventName":"T","JobsDetail":[', b'{"JobId":"1"}', b"]}"),
        bodies=BODIES,
    )


class TestAws(SourceContract):
    sender = Sender(
        AwsSource,
        [put(ENTRY, ENTRY, more={"amz-sdk-invocation-id": "8f0a4f3e-0b6e-4a53-9e9d-3c1d0f5b2a77"})],
        {"keys": KEYS},
        [KEY.secret],
        repeated(b'{"Entries":[', json.dumps(ENTRY).encode(), b"]}", {"x-amz-target": "AWSEvents.PutEvents"}),
        10,
        BODIES,
    )


def test_every_built_in_kind_is_held_to_it() -> None:
    contracts = (TestCloudEvents, TestAlibaba, TestOpenApi, TestBaidu, TestTencent, TestAws)
    held = [contract.sender.source for contract in contracts]
    assert {source().kind: source for source in held} == dict(SOURCES)


def test_each_listens_at_places_of_its_own() -> None:
    paths = [path for source in SOURCES.values() for path in source().paths]
    assert len(set(paths)) == len(paths)
