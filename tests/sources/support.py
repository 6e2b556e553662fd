"""Requests as the web hands them over, and what may be asked of every refusal."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from router.errors import MessageError
from router.events import Event
from router.samples import Sample, load
from router.sources.base import Answer, Request, Source


def post(body: bytes, path: str = "/", query: str = "", headers: Mapping[str, str] | None = None) -> Request:
    return Request("POST", path, query, headers or {}, body, received=1_790_000_000.0)


def sample(cloud: str, name: str) -> Sample:
    (found,) = (sample for sample in load(cloud) if sample.name == name)
    return found


def sent(sample: Sample) -> Request:
    path, _, query = sample.path.partition("?")
    return post(sample.body, path, query, {"content-type": sample.content_type})


def events(source: Source, request: Request) -> list[Event]:
    return [reading.event for reading in source.read(request).readings]


def refusal(source: Source, request: Request) -> str:
    with pytest.raises(MessageError) as caught:
        source.read(request)
    return caught.value.message


def error_text(answer: Answer) -> str:
    assert answer.headers["content-type"] == "application/json"
    content = msgspec.json.decode(answer.body)
    assert list(content) == ["error"]
    return str(content["error"])
