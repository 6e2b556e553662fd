from __future__ import annotations

import json
import re

import pytest

from router import samples
from router.emulators import fresh
from router.emulators.alibaba import Alibaba
from router.emulators.baidu import Baidu
from router.emulators.request import Cloud
from router.emulators.tencent import Tencent
from router.events.received import Received
from router.sources.alibaba import AlibabaSource
from router.sources.baidu import BaiduSource
from router.sources.base import Request, Source
from router.sources.tencent import TencentSource

PAIRS: list[tuple[Cloud, Source]] = [
    (Alibaba(), AlibabaSource()),
    (Baidu(), BaiduSource()),
    (Tencent(), TencentSource()),
]


def read(source: Source, body: bytes) -> Received:
    return source.read(Request("POST", source.paths[0], "", {}, body, 1_800_000_000.0))


@pytest.mark.parametrize(("cloud", "source"), PAIRS, ids=lambda one: getattr(one, "name", ""))
def test_every_sample_becomes_an_event_of_its_own(cloud: Cloud, source: Source) -> None:
    for sample in samples.load(cloud.name):
        old = read(source, sample.body).readings
        one, other = (read(source, cloud.fresh(sample.body)).readings for _ in range(2))
        ids = {reading.event.id for reading in (*old, *one, *other)}
        assert len(ids) == 3 * len(old), sample.name
        for before, after in zip(old, one, strict=True):
            assert (before.event.type, before.event.source, before.event.subject) == (
                after.event.type,
                after.event.source,
                after.event.subject,
            )


def test_alibabas_payload_stays_as_it_was_written() -> None:
    body = rb'{"id": "x", "data": {"id": "inner", "n": 1.50, "big": 12345678901234567890}, "type": "t"}'
    made = fresh.alibaba(body)
    assert rb'{"id": "inner", "n": 1.50, "big": 12345678901234567890}' in made
    assert json.loads(made)["id"] != "x"


def test_an_alibaba_event_without_an_id_gets_one_and_a_list_gets_several() -> None:
    assert json.loads(fresh.alibaba(b'{"type": "t"}'))["id"]
    one, other = json.loads(fresh.alibaba(b'[{"id": "a"}, {"id": "a"}]'))
    assert one["id"] != other["id"]


@pytest.mark.parametrize("body", [b"The value of name is x", b"7", b'["text"]', b"{"])
def test_what_has_no_id_stays_as_it_is(body: bytes) -> None:
    assert fresh.alibaba(body) == fresh.baidu(body) == fresh.tencent(body) == body


def test_what_stood_several_times_stays_equal() -> None:
    body = b"<R><JobId>a</JobId><JobId>b</JobId><RunId>a</RunId></R>"
    one, other, again = re.findall(rb"<\w+Id>(\w+)</", fresh.tencent(body))
    assert one == again != other


def test_nothing_else_of_a_push_is_touched() -> None:
    body = next(sample.body for sample in samples.load("baidu") if sample.name == "2018.json")
    made = fresh.baidu(body)
    assert made != body
    assert re.sub(rb'"eTag": "\w+"', b"", made) == re.sub(rb'"eTag": "\w+"', b"", body)


def test_what_happened_to_an_object_has_an_id_of_its_own() -> None:
    content = b'"content": {"eTag": "b"}'
    body = b'{"events": [{"eventId": "a", %b}, {"eventId": "c", %b}]}' % (content, content)
    one, other = json.loads(fresh.baidu(body))["events"]
    assert len({"a", "c", one["eventId"], other["eventId"]}) == 4
    assert one["content"] == other["content"] != {"eTag": "b"}
