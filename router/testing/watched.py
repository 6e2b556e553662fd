"""A process that says what a source asks of the operating system while it reads.

Standard input is an `Order` as JSON; standard output is a `Finding`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec

from router.errors import MessageError
from router.sources.base import Request, Source

_IO = ("open", "import", "os.", "socket.", "subprocess.", "urllib.")
"""How the audit events begin that a source may not cause (PEP 578)."""

_ZONES = (b"PRC", b"UTC", b"Europe/Berlin", b"Zone/Unheard")
_CHARSETS = ("utf8", "cp65001", "idna", "unheard-of")
_BODIES = (
    *(b'{"source":"s","type":"t","time":"2026-01-01T00:00:00%b"}' % zone for zone in _ZONES),
    b'<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE R SYSTEM "file:///etc/passwd"><R/>',
    b'<?xml version="1.0" encoding="unheard-of"?><R xmlns:x="http://127.0.0.1:1/"><x:include/></R>',
)


class Order(msgspec.Struct, frozen=True):
    """What to read.

    Attributes:
        module, name: the source's class.
        requests: some that it can read; others are made of them.
    """

    module: str
    name: str
    requests: Sequence[Request]


class Finding(msgspec.Struct, frozen=True):
    """What was seen.

    Attributes:
        events: how many were read.
        touched: the audit events of files, imports, processes and sockets.
    """

    events: int
    touched: list[str]


def watch(order: Order) -> Finding:
    """Have it done by another process, in which nothing was read or imported before."""
    done = subprocess.run(
        [sys.executable, "-m", __name__], input=msgspec.json.encode(order), capture_output=True, check=True
    )
    return msgspec.json.decode(done.stdout, type=Finding)


def _variants(requests: Sequence[Request]) -> Iterator[Request]:
    yield from requests
    for charset in _CHARSETS:
        for kind in ("application/json", "application/cloudevents+json"):
            for body in (requests[0].body, *_BODIES):
                headers: Mapping[str, str] = {
                    **requests[0].headers,
                    "content-type": f"{kind}; charset={charset}",
                }
                yield msgspec.structs.replace(requests[0], headers=headers, body=body)


def _read_all(source: Source, requests: Sequence[Request]) -> int:
    found = 0
    for request in requests:
        try:
            found += len(source.read(request).readings)
        except MessageError as error:
            source.refused(error)
    return found


def _main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    made: Any = import_module(order.module)
    for part in order.name.split("."):
        made = getattr(made, part)
    source, requests = made(), list(_variants(order.requests))
    touched: set[str] = set()
    sys.addaudithook(lambda event, _: touched.add(event))
    touched.clear()
    events = _read_all(source, requests)
    seen = sorted(event for event in touched if event.startswith(_IO))
    sys.stdout.buffer.write(msgspec.json.encode(Finding(events, seen)))


if __name__ == "__main__":
    _main()
