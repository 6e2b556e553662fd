"""What can be asked: the filters of lists and of changes, with their bounds."""

from __future__ import annotations

import enum
from typing import Annotated

from msgspec import Meta, Struct

from router.operations.moments import Moment
from router.store.base import State

LONGEST_PAGE = 1_000
"""Entries of one page at most."""

USUAL_PAGE = 100

Most = Annotated[int, Meta(ge=1, le=LONGEST_PAGE, description="How many entries of one page at most.")]
Glob = Annotated[str, Meta(description="A text in which `*` stands for any run, as in rules.")]
Since = Annotated[Moment | None, Meta(description="Events that were accepted then or later.")]
Until = Annotated[Moment | None, Meta(description="Events that were accepted before that.")]
Rule = Annotated[str | None, Meta(description="Those that this rule asked for.")]
Target = Annotated[str | None, Meta(description="Those of this target.")]
To = Annotated[str | None, Meta(description="Deliver to this target instead.")]
Cursor = Annotated[str | None, Meta(description="The `next` of the page before.")]


class ListQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One page of a list that has no filters."""

    after: Cursor = None
    most: Most = USUAL_PAGE


class Order(enum.StrEnum):
    """Which events come first."""

    NEWEST = "newest"
    OLDEST = "oldest"


class EventQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which events.

    Attributes:
        source, type, subject: of the event, with globs.
        id: of the event, exactly.
        target: one that the event was routed to.
        after: the `next` of the page before.
    """

    since: Since = None
    until: Until = None
    source: Glob | None = None
    type: Glob | None = None
    subject: Glob | None = None
    id: str | None = None
    target: Target = None
    order: Order = Order.NEWEST
    after: Annotated[int | None, Meta(description="The `next` of the page before.")] = None
    most: Most = USUAL_PAGE


class Selection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which deliveries, of those that are not made yet and those that are dead.

    Attributes:
        state: where they stand; PENDING, IN_FLIGHT, RETRYING or DEAD. None at all is any of them.
        type: of the event, with globs.
    """

    state: tuple[State, ...] = ()
    target: Target = None
    rule: Rule = None
    type: Glob | None = None
    since: Since = None
    until: Until = None


class DeliveryQuery(Selection, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One page of deliveries, oldest event first.

    Attributes:
        after: the `next` of the page before.
    """

    after: Cursor = None
    most: Most = USUAL_PAGE


class Drop(Selection, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Deliveries that are never to be made.

    Attributes:
        ids: these, of those that the rest selects; none at all is all of them.
        dry: only count them.
        after: the `next` of the answer before: one request works on so many at most.
    """

    ids: Annotated[tuple[str, ...], Meta(max_length=LONGEST_PAGE)] = ()
    dry: Annotated[bool, Meta(description="Only count them.")] = False
    after: Cursor = None


class Redrive(Drop, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Deliveries that are to be made again.

    Attributes:
        to: to this target instead of their own; then also those may be selected that are not dead.
    """

    to: To = None


class ReplayQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which archived events are to go through today's rules again.

    Attributes:
        since: when the first of them was accepted.
        until: they were accepted before this; now, if nothing is said.
        rule: only what this rule asks for.
        target: only what goes there.
        type: only events of this type, with globs.
        rate: events a second at most.
        name: lower-case letters, digits and dashes; made of the time if nothing is said.
        dry: only count them.
        after: go on after this sequence, as one that ended before its time told it (`ReplayTold.after`);
            then it may have that one's name.
    """

    since: Moment
    until: Until = None
    rule: Rule = None
    target: Target = None
    type: Glob | None = None
    rate: Annotated[float, Meta(gt=0, description="Events a second at most.")] | None = None
    name: Annotated[str | None, Meta(description="What the events carry as `replayname`.")] = None
    dry: Annotated[bool, Meta(description="Only count them.")] = False
    after: Annotated[int, Meta(ge=0, description="Go on after the event at this sequence.")] | None = None
