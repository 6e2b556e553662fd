"""What a stranger may send: JSON as nobody writes it, bytes that are none, requests bent out of shape."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st

from router.sources.base import Request

spaces = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])
"""White space between the tokens of JSON."""

_plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_strings = _plain.map(json.dumps) | _plain.map(lambda text: json.dumps(text, ensure_ascii=False))

_scalars = st.one_of(
    st.sampled_from(
        [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1.50",
            "1E2",
            "0.566877",
            "6353842115261500790",
            "1e-7",
            # Beyond what a Decimal can hold, and still JSON that every reader reads as 0.0.
            "1e-99999999999999999999",
            "0E99999999999999999999",
        ]
    ),
    st.integers().map(str),
    _strings,
    st.sampled_from(['",}"', '"[1,]"', '"\\",]"', '"\\u00e9\\ud83d\\ude00"', '"\\\\"']),
)


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    spaced = st.tuples(spaces, inner, spaces).map("".join)
    member = st.tuples(spaces, _strings, spaces, st.just(":"), spaced).map("".join)
    arrays = st.lists(spaced, max_size=4).map(lambda items: f"[{','.join(items)}]")
    objects = st.lists(member, max_size=4).map(lambda members: f"{{{','.join(members)}}}")
    return arrays | objects


json_texts = st.recursive(_scalars, _containers, max_leaves=12).map(str.encode)
"""Without white space around the whole: that belongs to no value."""

_CONTENT_TYPES = [
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/xml",
    "application/x-www-form-urlencoded",
    "text/plain; charset=utf-8",
    "application/json; charset=unheard-of",
]
_NAMES = ["content-type", "ce-id", "ce-source", "ce-type", "ce-time", "ce-x", "authorization", "x-unheard-of"]
_QUERIES = ["", "result", "type=t&source=s", "type=%00&source=s", "token=%ff"]


def bodies(known: Sequence[bytes], more: st.SearchStrategy[bytes] | None = None) -> st.SearchStrategy[bytes]:
    """Bodies of requests: any bytes, any JSON, and known ones with a few bytes changed.

    Args:
        known: of requests that can be read.
        more: others that look like those of this sender.
    """
    bent = st.tuples(st.sampled_from(known), st.integers(0, 3000), st.binary(max_size=3)).map(
        lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] + 1 :]
    )
    return st.one_of(st.binary(max_size=80), json_texts, bent, st.nothing() if more is None else more)


def strange(
    known: Sequence[Request], more: st.SearchStrategy[bytes] | None = None
) -> st.SearchStrategy[Request]:
    """Requests of anybody, some of them much like the known ones.

    Args:
        known: requests that can be read.
        more: as in `bodies`.
    """
    names = st.sampled_from(sorted({*_NAMES, *(name for request in known for name in request.headers)}))
    values = st.sampled_from(_CONTENT_TYPES) | st.text(max_size=10)
    fields = st.dictionaries(names, values, max_size=4)

    def bend(request: Request, body: bytes, changed: dict[str, str], query: str | None) -> Request:
        headers = {**request.headers, **changed}
        return msgspec.structs.replace(
            request, body=body, headers=headers, query=request.query if query is None else query
        )

    alike = st.builds(
        bend,
        st.sampled_from(known),
        bodies([request.body for request in known], more),
        fields,
        st.none() | st.sampled_from(_QUERIES),
    )
    alien = st.builds(
        Request,
        method=st.just("POST"),
        path=st.sampled_from(["/", *(request.path for request in known)]),
        query=st.sampled_from(_QUERIES),
        headers=fields,
        body=bodies([request.body for request in known], more),
        received=st.just(known[0].received),
    )
    return alike | alien
