"""New ids: what makes a sample, or a repetition of a file, an event of its own for the router.

The documents mask every id to the same text: sent as they are, the 33 samples of IMM would be told apart by
nothing but their types, and a second run would be a second try of the first. Pure, but for the ids' chance.
"""

from __future__ import annotations

import re
import uuid

import msgspec

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])

_BAIDU = re.compile(rb'("(?:eTag|eventId)"\s*:\s*")([^"\\]*)(?=")')
_TENCENT = re.compile(rb'(<(?:JobId|RunId)>|"(?:JobId|RunId|trace_id)"\s*:\s*")([^"\\<]+)(?=["<])')


def alibaba(body: bytes) -> bytes:
    """The `id` of the event, or of each event of a list. A body that is none of these stays as it is."""
    try:
        if body.lstrip().startswith(b"["):
            return msgspec.json.encode([_identified(event) for event in _LIST.decode(body)])
        return msgspec.json.encode(_identified(_OBJECT.decode(body)))
    except msgspec.DecodeError:
        return body


def baidu(body: bytes) -> bytes:
    """Another ETag for each object, as if it had been uploaded again; PostEvent's `eventId` likewise.

    PostResult has no id: what an event is about makes it the one it is. This works on the text, because one
    of the documents' samples is no JSON.
    """
    return _replaced(_BAIDU, body)


def tencent(body: bytes) -> bytes:
    """The ids of jobs, workflow runs and simple moderation results."""
    return _replaced(_TENCENT, body)


def _identified(event: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    return event | {"id": msgspec.Raw(msgspec.json.encode(str(uuid.uuid4())))}


def _replaced(ids: re.Pattern[bytes], body: bytes) -> bytes:
    """With a new id for each; where one stands several times, they stay the same."""
    known: dict[bytes, bytes] = {}

    def new(found: re.Match[bytes]) -> bytes:
        return found[1] + known.setdefault(found[2], uuid.uuid4().hex.encode())

    return ids.sub(new, body)
