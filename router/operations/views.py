"""What the store holds, as operators are told of it."""

from __future__ import annotations

from typing import Any

import msgspec

from router.events import json_format
from router.operations.answers import AttemptTold, DeliverySummary, DeliveryTold, EventSummary, EventTold
from router.operations.moments import moment
from router.store.base import Attempt, Standing, Stored


def summary_of(stored: Stored) -> EventSummary:
    """A stored event as lists show it."""
    return EventSummary(**_summary(stored))


def _summary(stored: Stored) -> dict[str, Any]:
    record, event = stored.record, stored.record.event
    return {
        "sequence": stored.sequence,
        "received": moment(record.received),
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "targets": tuple(dict.fromkeys(route.target for route in record.routes)),
        "rules": tuple(dict.fromkeys(rule for route in record.routes for rule in route.rules)),
    }


def event_told(stored: Stored, deliveries: tuple[DeliveryTold, ...]) -> EventTold:
    """A stored event with everything that is known of it."""
    record = stored.record
    return EventTold(
        **_summary(stored),
        read_by=record.source,
        version=record.version,
        notes=record.notes,
        event=msgspec.Raw(json_format.encode(record.event)),
        deliveries=deliveries,
    )


def delivery_summary(standing: Standing) -> DeliverySummary:
    """A delivery as lists show it."""
    return DeliverySummary(**_delivery(standing))


def delivery_told(standing: Standing) -> DeliveryTold:
    """A delivery with everything that is known of it."""
    delivery = standing.delivery
    history = tuple(map(attempt_told, delivery.attempts))
    return DeliveryTold(**_delivery(standing), version=delivery.version, history=history)


def _delivery(standing: Standing) -> dict[str, Any]:
    delivery = standing.delivery
    tried = [attempt for attempt in delivery.attempts if not attempt.redrive]
    return {
        "id": delivery.id,
        "sequence": delivery.sequence,
        "target": delivery.target,
        "variant": delivery.variant,
        "rules": delivery.rules,
        "state": standing.state,
        "at": None if standing.at is None else moment(standing.at),
        "received": moment(delivery.received),
        "event_id": delivery.event.id,
        "event_source": delivery.event.source,
        "event_type": delivery.event.type,
        "attempts": len(tried),
        "last": attempt_told(tried[-1]) if tried else None,
    }


def attempt_told(attempt: Attempt) -> AttemptTold:
    """An attempt as it is shown."""
    return AttemptTold(
        at=moment(attempt.at),
        seconds=attempt.seconds,
        status=attempt.status,
        error=attempt.error,
        answer=attempt.answer,
        redrive=attempt.redrive,
    )
