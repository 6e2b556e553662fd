"""What the demo sends: the clouds' samples, each made an event of its own, and one that no rule is for."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from router import samples

# The documents mask every id to the same text: sent as they are, 33 events would have one id.
_DISTINCT = {
    "alibaba": re.compile(rb'(?<="id": ")[^"]*|(?<="id":")[^"]*'),
    "baidu": re.compile(rb"images/test(?=\.jpg)"),
    "tencent": re.compile(rb'(?<=<JobId>)[^<]*|(?<="JobId": ")[^"]*'),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One request to send, and whose it is."""

    cloud: str
    sample: samples.Sample


def letters() -> Iterator[Letter]:
    """All of them, cloud after cloud, with new ids at each call."""
    for cloud, pattern in _DISTINCT.items():
        for sample in samples.load(cloud):
            body = pattern.sub(lambda _: uuid.uuid4().hex.encode(), sample.body, count=1)
            yield Letter(cloud, replace(sample, body=body))
    yield Letter("anybody", samples.Sample("order", "/events", "application/cloudevents+json", _order()))


def _order() -> bytes:
    """An event that no shipped rule is for: the backstop's."""
    event = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/shop", "type": "com.example.order"}
    return json.dumps(event | {"data": {"total": 42}}).encode()
