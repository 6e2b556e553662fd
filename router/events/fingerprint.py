"""What tells a sender's second try from another event: source, id, type and content, and nothing else."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from router.events.model import Event

Content = tuple[str, str, str, str | None, bytes | None]
"""Source, id, type, content type, and payload."""


def content_of(event: Event) -> Content:
    """What two tries of one event have in common, to the last byte that means something.

    Extensions are left out: gateways write their traces there. So is white space between the tokens of a
    JSON payload: a sender that serialises again may place it differently.
    """
    return event.source, event.id, event.type, event.datacontenttype, _normalised(event)


def fingerprint(event: Event) -> bytes:
    """16 bytes: 8 that tell source and id, then 8 that tell `content_of`."""
    source, id_, type_, content_type, data = content_of(event)
    named = sha256(b"%d " % len(source))  # lengths first: nothing may slide from one part into the next
    named.update(f"{source}{id_}".encode("utf-8", "surrogatepass"))
    whole = named.copy()
    whole.update(f" {len(id_)} {len(type_)} {type_}{content_type}".encode("utf-8", "surrogatepass"))
    if data is not None:
        whole.update(b" ")
        whole.update(data)
    return named.digest()[:8] + whole.digest()[:8]


def _normalised(event: Event) -> bytes | None:
    if event.data is None or not event.is_json:
        return event.data
    try:
        return msgspec.json.format(event.data, indent=-1)
    except msgspec.MsgspecError:  # lone surrogates, which JSON allows and UTF-8 does not
        return event.data
