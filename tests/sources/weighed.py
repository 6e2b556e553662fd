"""A process that says what each source needs for what is made to be expensive: its time, and its memory.

What is hostile may be the whole body, or stand where a sender puts one text into another.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from router.errors import MessageError
from router.events.received import Received
from router.main import SOURCES
from router.sources.base import Request, Source

LONGEST = 1_000_000
"""Bytes of a body; what is longer no source ever sees (`settings.body`)."""

SIZE = 900_000
"""Of what is hostile in it."""

_LAUGHS = b"".join(b'<!ENTITY %c "%b">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in b"bcdefghij")

XML: Mapping[str, bytes] = {
    "billion laughs": b'<!DOCTYPE R [<!ENTITY a "ha">%b]><R>&j;</R>' % _LAUGHS,
    "quadratic blowup": b'<!DOCTYPE R [<!ENTITY a "%b">]><R>%b</R>' % (b"a" * 400_000, b"&a;" * 100_000),
    "entity in itself": b'<!DOCTYPE R [<!ENTITY a "&b;"><!ENTITY b "&a;">]><R>&a;</R>',
    "external entity": b'<!DOCTYPE R [<!ENTITY a SYSTEM "file:///etc/passwd">]><R>&a;</R>',
    "endless entity": b'<!DOCTYPE R [<!ENTITY a SYSTEM "file:///dev/zero">]><R>&a;</R>',
    "parameter entity": b'<!DOCTYPE R [<!ENTITY % a SYSTEM "http://127.0.0.1:1/">%a;]><R/>',
    "external subset": b'<!DOCTYPE R SYSTEM "http://127.0.0.1:1/x.dtd"><R/>',
    "public subset": b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://127.0.0.1:1/"><html/>',
    "many entities": b"<!DOCTYPE R [%b]><R/>" % b"".join(b'<!ENTITY e%d "x">' % n for n in range(40_000)),
    "many attributes": b"<!DOCTYPE R [%b]><R/>"
    % b"".join(b'<!ATTLIST R a%d CDATA "x">' % number for number in range(30_000)),
    "doctype in UTF-16": "<!DOCTYPE R [<!ENTITY a 'b'>]><R>&a;</R>".encode("utf-16"),
    "doctype in UTF-7": b"<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE R+AD4APA-R/+AD4-",
    "depth": b"<a>" * 200_000,
    "depth, closed": b"<a>" * 128_000 + b"</a>" * 128_000,
    "depth of namespaces": b"<p:a xmlns:p='u'>" * 50_000,
    "declared UTF-16, is UTF-8": b'<?xml version="1.0" encoding="UTF-16"?><R>%b</R>' % (b"x" * SIZE),
    "declared UTF-32, is UTF-8": b'<?xml version="1.0" encoding="UTF-32"?><R>%b</R>' % (b"x" * SIZE),
    "declared UTF-8, is UTF-16": '<?xml version="1.0" encoding="UTF-8"?><R>x</R>'.encode("utf-16-le"),
    "declared ASCII, is not": b'<?xml version="1.0" encoding="US-ASCII"?><R>%b</R>' % (b"\xe9" * SIZE),
    "declared GBK, is not": b'<?xml version="1.0" encoding="GBK"?><R>%b</R>' % (b"\xff" * SIZE),
    "declared UTF-8, is Latin-1": b'<?xml version="1.0" encoding="UTF-8"?><R>%b\xe9</R>' % (b"x" * SIZE),
    "unheard-of encoding": b'<?xml version="1.0" encoding="no-such"?><R>%b</R>' % (b"x" * SIZE),
    "one tag": b"<" + b"a" * SIZE,
    "comment without end": b"<R><!--" + b"- " * (SIZE // 2),
    "one attribute again and again": b"<R " + b"a='1' " * (SIZE // 6) + b"/>",
    "elements": b"<R>%b</R>" % (b"<a/>" * 240_000),
    "jobs": b"<R><EventName>x</EventName>%b</R>" % (b"<JobsDetail/>" * 70_000),
}

JSON: Mapping[str, bytes] = {
    "depth of arrays": b"[" * 200_000,
    "depth of objects": b'{"a":' * 150_000,
    "depth, closed": b"[" * 400_000 + b"]" * 400_000,
    "depth of both": b'{"data":[' * 90_000,
    "integer": b"9" * SIZE,
    "negative integer": b"-" + b"9" * SIZE,
    "many long integers": b"[" + b",".join([b"9" * 4_000] * 200) + b"]",
    "many numbers": b"[%b1]" % (b"1," * 300_000),
    "many texts": b'[%b""]' % (b'"",' * 300_000),
    "fraction": b"0." + b"9" * SIZE,
    "exponent": b"1e" + b"9" * SIZE,
    "small exponent": b"1e-" + b"9" * SIZE,
    "infinity": b"[1e999999999, -1e999999999]",
    "one key again and again": b"{" + b",".join([b'"a":1'] * (SIZE // 6)) + b"}",
    "one object again and again": b"{" + b",".join([b'"data":{"a":{}}'] * (SIZE // 16)) + b"}",
    "id again and again": b"{" + b",".join([b'"id":"1"'] * (SIZE // 9)) + b"}",
    "string without end": b'"' + b"x" * SIZE,
    "escapes without end": b'"' + b"\\u0041" * (SIZE // 6),
    "brackets in a string": b'"' + b"[{" * (SIZE // 2) + b'"',
    "UTF-16": '{"specversion": "1.0"}'.encode("utf-16"),
    "UTF-8 with a mark, cut short": b"\xef\xbb\xbf{" + b'"\xe4\xbd' * 10,
}

_EVENT = b'{"specversion":"1.0","id":"1","source":"acs.imm","type":"imm:Task:ImageModeration",%b}'


def _text(bomb: bytes) -> bytes:
    return json.dumps(bomb.decode("latin-1")).encode()


def _form(bomb: bytes) -> bytes:
    """What is hostile shall be the JSON in a form, not its escapes: only what must be escaped is."""
    return b"EventList=" + quote(bomb, safe='[]{}:,"\\').encode()


Carrier = Callable[[bytes], bytes]
CARRIERS: Mapping[str, Mapping[str, Carrier]] = {
    "cloudevents": {
        "data": lambda bomb: _EVENT % (b'"data":' + bomb),
        "batch": lambda bomb: b"[" + _EVENT % (b'"data":' + bomb) + b"]",
        "data_base64": lambda bomb: _EVENT % (b'"data_base64":"%b"' % base64.b64encode(bomb)),
    },
    "alibaba": {
        "data": lambda bomb: _EVENT % (b'"data":' + bomb),
        "data_base64": lambda bomb: _EVENT % (b'"data_base64":"%b"' % base64.b64encode(bomb)),
        "content": lambda bomb: _EVENT % (b'"content":' + _text(bomb)),
        "message": lambda bomb: b"<Notification><Message>%b</Message></Notification>" % bomb,
    },
    "baidu": {
        "events": lambda bomb: b'{"events":[%b]}' % bomb,
        "content": lambda bomb: b'{"events":[{"content":{"bucket":"b","object":"o"},"imageOcr":%b}]}' % bomb,
    },
    "tencent": {
        "job": lambda bomb: b'{"EventName":"ReviewImage","JobsDetail":{"Result":%b}}' % bomb,
        "list": lambda bomb: b'{"EventName":"ReviewImage","JobsDetail":{"Section":%b}}' % bomb,
        "simple": lambda bomb: b'{"code":0,"data":{"trace_id":"t","result":%b}}' % bomb,
    },
    "aws": {
        "detail": lambda bomb: b'{"Entries":[{"Source":"s","DetailType":"t","Detail":%b}]}' % _text(bomb),
        "entries": lambda bomb: b'{"Entries":[%b]}' % bomb,
        "resources": lambda bomb: (
            b'{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}","Resources":%b}]}' % bomb
        ),
        "pattern": lambda bomb: b'{"EventPattern":%b,"Event":%b}' % (_text(bomb), _text(bomb)),
    },
    "openapi": {
        "batch": lambda bomb: b"[" + _EVENT % (b'"data":' + bomb) + b"]",
        "form": _form,
        "form of entries": lambda bomb: _form(
            b'[{"Id":"1","Source":"s","Type":"t","Data":%b}]' % _text(bomb)
        ),
    },
}
"""Where each sender puts other people's JSON; a body has it also as it is."""

ADDRESSES: Mapping[str, tuple[tuple[str, str, Mapping[str, str]], ...]] = {
    "cloudevents": (
        ("/events", "", {"content-type": "application/cloudevents+json"}),
        ("/events", "", {"content-type": "application/cloudevents-batch+json"}),
        ("/events", "type=t&source=s", {"content-type": "application/json"}),
    ),
    "alibaba": (
        ("/alibaba", "", {"content-type": "application/cloudevents+json"}),
        (
            "/alibaba",
            "",
            {"content-type": "text/xml", "x-mns-version": "2015-06-06", "x-mns-message-id": "1"},
        ),
    ),
    "baidu": (("/", "result", {}), ("/", "event", {})),
    "tencent": (("/tencent", "", {}),),
    "aws": (
        ("/", "", {"x-amz-target": "AWSEvents.PutEvents", "content-type": "application/x-amz-json-1.1"}),
        (
            "/",
            "",
            {"x-amz-target": "AWSEvents.TestEventPattern", "content-type": "application/x-amz-json-1.1"},
        ),
    ),
    "openapi": (
        ("/openapi/putEvents", "", {"content-type": "application/cloudevents-batch+json"}),
        ("/", "", {"x-acs-action": "PutEvents", "content-type": "application/x-www-form-urlencoded"}),
    ),
}

TRIES = 3
"""How often something is measured before it counts as slow: other processes are about."""


def measure(source: Source, request: Request, enough: float) -> tuple[str, float]:
    """What becomes of a request, and the seconds of processor time of the quickest try."""
    outcome, least = "", float("inf")
    for _ in range(TRIES):
        begin = time.process_time()
        try:
            received = source.read(request)
        except MessageError as error:
            outcome, received = "refused", Received(())
            answer = source.refused(error)
        else:
            outcome, answer = "read" if received.readings else "refused", source.accepted(received)
        least = min(least, time.process_time() - begin)
        assert len(answer.body) < 1_500  # EventBridge's refusal of a pattern quotes 500 characters of it
        if least < enough:
            break
    for reading in received.readings:
        reading.event.view()
    return outcome, least


def bodies(kind: str) -> Iterator[tuple[str, bytes]]:
    """Everything hostile for one kind of source, one after the other: nobody holds all of it."""
    for name, body in XML.items():
        yield f"XML: {name}", body
    carriers: Mapping[str, Carrier] = {"body": bytes, **CARRIERS[kind]}
    for name, bomb in JSON.items():
        for place, carry in carriers.items():
            yield f"JSON: {name} as {place}", fitted(carry, bomb)


def fitted(carry: Carrier, bomb: bytes) -> bytes:
    """As much of a bomb as a body carries: some write each of its bytes with three."""
    body = carry(bomb)
    if len(body) <= LONGEST:
        return body
    return carry(bomb[: len(bomb) * SIZE // len(body)])


def most_held(process: int | str) -> int:
    """The most kilobytes that a process has held at any time (proc(5), `status`)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1])


def weigh(enough: float) -> None:
    """Print what everything costs, and what all of it has added to the process's memory."""
    before = most_held("self")
    found = []
    for kind, make in SOURCES.items():
        source = make()
        for path, query, headers in ADDRESSES[kind]:
            for name, body in bodies(kind):
                outcome, seconds = measure(source, Request("POST", path, query, headers, body, 0.0), enough)
                found.append((kind, name, outcome, seconds))
    json.dump({"found": found, "kilobytes": most_held("self") - before}, sys.stdout)


if __name__ == "__main__":
    weigh(float(sys.argv[1]))
