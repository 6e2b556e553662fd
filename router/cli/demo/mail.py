"""What the demo sends: the clouds' samples, each made an event of its own, and one that no rule is for."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace

from router import samples
from router.emulators.alibaba import Alibaba
from router.emulators.baidu import Baidu
from router.emulators.request import Cloud
from router.emulators.tencent import Tencent

CLOUDS: tuple[Cloud, ...] = (Alibaba(), Baidu(), Tencent())
"""As they are where nothing is signed."""


def letters(cloud: Cloud) -> Iterator[samples.Sample]:
    """A cloud's, with new ids at each call."""
    for sample in samples.load(cloud.name):
        yield replace(sample, body=cloud.fresh(sample.body))


def order() -> samples.Sample:
    """An event that no shipped rule is for: the backstop's."""
    event = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/shop", "type": "com.example.order"}
    body = json.dumps(event | {"data": {"total": 42}}).encode()
    return samples.Sample("order", "/events", "application/cloudevents+json", body)
