"""A process that says what of the operating system its sources ask for while they read."""

from __future__ import annotations

import sys

from router.errors import MessageError
from router.samples import CLOUDS, load
from router.sources.alibaba import AlibabaSource
from router.sources.baidu import BaiduSource
from router.sources.base import Request, Source
from router.sources.cloudevents import CloudEventsSource
from router.sources.tencent import TencentSource

IO = ("open", "import", "os.", "socket.", "subprocess.", "urllib.")
"""How the audit events begin that a source may not cause (PEP 578)."""

SOURCES: tuple[Source, ...] = (CloudEventsSource(), AlibabaSource(), BaiduSource(), TencentSource())
ZONES = (b"PRC", b"UTC", b"Europe/Berlin", b"Zone/Unheard")
CHARSETS = ("utf8", "cp65001", "idna", "unheard-of")

REQUESTS = [
    Request("POST", "/", "", {"content-type": f"application/cloudevents+json; charset={charset}"}, body, 0.0)
    for charset in CHARSETS
    for body in (
        *(sample.body for cloud in CLOUDS for sample in load(cloud)),
        *(b'{"source":"s","type":"t","time":"2026-01-01T00:00:00%b"}' % zone for zone in ZONES),
        b'<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE R SYSTEM "file:///etc/passwd"><R/>',
        b'<?xml version="1.0" encoding="unheard-of"?><R xmlns:x="http://127.0.0.1:1/"><x:include/></R>',
    )
]


def read_all() -> int:
    """How many events there were."""
    found = 0
    for source in SOURCES:
        for request in REQUESTS:
            try:
                found += len(source.read(request).readings)
            except MessageError:
                found += 0
    return found


touched: set[str] = set()
sys.addaudithook(lambda event, _: touched.add(event))
touched.clear()
some = read_all() > 0
print(some, sorted(event for event in touched if event.startswith(IO)))  # noqa: T201 (it is what it is for)
