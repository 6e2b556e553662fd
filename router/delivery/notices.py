"""What somebody is told by the router: an event of its own, delivered like any other. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from router.events import Event
from router.store.base import Record, Route, Settlement

TYPE = "rule-router.delivery.dead"
"""The type of these events. A dead letter of this type makes no other one."""

SOURCE = "router"
"""The source that the store names with them."""


def notice(settlement: Settlement, to: str, now: float) -> Record | None:
    """The event that tells of a dead letter; None where that was one itself.

    Its id tells the delivery and how often it was tried, so a notice that a crash repeats has the same.

    Args:
        settlement: of the delivery that died.
        to: the target that is told.
        now: seconds since the epoch.
    """
    delivery = settlement.delivery
    if delivery.event.type == TYPE:
        return None
    attempts = settlement.tried().attempts
    event = Event(
        id=f"{delivery.id}-{len(attempts)}",
        source=f"/rule-router/targets/{delivery.target}",
        type=TYPE,
        subject=delivery.id,
        time=datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        datacontenttype="application/json",
        data=msgspec.json.encode(_told(settlement)),
    )
    return own(event, to, delivery.version, now)


def own(event: Event, to: str, version: str, now: float) -> Record:
    """An event that the router itself has for a target; no rule is asked.

    Args:
        event: what it says.
        to: the target.
        version: today's configuration.
        now: seconds since the epoch.
    """
    return Record(event=event, source=SOURCE, received=now, version=version, routes=(Route(to),))


def _told(settlement: Settlement) -> dict[str, Any]:
    """What a person needs to find it and to decide; not the payload, which may be nobody else's business."""
    delivery, attempt = settlement.delivery, settlement.attempt
    event = delivery.event
    about = {name: getattr(event, name) for name in ("id", "source", "type", "subject", "time")}
    return {
        "delivery": delivery.id,
        "target": delivery.target,
        "rules": delivery.rules,
        "error": None if attempt is None else attempt.error,
        "status": None if attempt is None else attempt.status,
        "answer": "" if attempt is None else attempt.answer,
        "attempts": sum(not one.redrive for one in settlement.tried().attempts),
        "event": {name: value for name, value in about.items() if value is not None},
        "show": f"router dead show {delivery.id}",
    }
