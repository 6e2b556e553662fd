"""An event in AWS's envelope, which EventBridge's paths begin at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

NAMES = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")
"""The members of AWS's envelope, in AWS's order."""


def envelope(view: Mapping[str, Any], received: float) -> dict[str, Any]:
    """The event in AWS's envelope; its data itself, where that is such an envelope already.

    Args:
        view: what expressions see of an event.
        received: when it was accepted, in seconds since the epoch; the time of an event that has none.
    """
    data = view.get("data")
    if isinstance(data, dict) and {"detail-type", "detail"} <= data.keys():
        return data
    members = (
        "0",
        view["id"],
        view["type"],
        view.get("awssource", view["source"]),
        view.get("awsaccount", ""),
        view.get("time", ingested(received)),
        view.get("awsregion", ""),
        _resources(view.get("awsresources")),
        data,
    )
    return dict(zip(NAMES, members, strict=True))


def without_detail(event: Mapping[str, Any]) -> dict[str, Any]:
    """As `<aws.events.event>` renders it: without detail, and with one name that it spells differently."""
    shown = {name: event[name] for name in event if name != "detail"}
    return {"detailType" if name == "detail-type" else name: value for name, value in shown.items()}


def ingested(received: float) -> str:
    """When an event was accepted, as AWS writes it: to the millisecond, in UTC.

    >>> ingested(1767323045.6784)
    '2026-01-02T03:04:05.678Z'
    """
    text = datetime.fromtimestamp(received, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def arn(event: Mapping[str, Any], rule: str) -> str:
    """A name for a rule, formed as AWS's ARNs are."""
    return f"arn:aws:events:{event.get('region', '')}:{event.get('account', '')}:rule/{rule}"


def _resources(text: Any) -> list[Any]:
    """What the aws source wrote into the extension; anybody may send one of that name."""
    try:
        return msgspec.json.decode(text or "[]", type=list[Any])
    except msgspec.MsgspecError:
        return []
