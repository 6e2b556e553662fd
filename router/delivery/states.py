"""The states of a delivery, and what leads from one to the next: one table. Pure.

The diagram in `router/README.md` is made from it by `diagram`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from router.store.base import State


class Happening(enum.StrEnum):
    """What happens to a delivery.

    Attributes:
        CLAIMED: a worker of its target took it.
        DELIVERED: the target has it.
        FAILED: this attempt did not get through; another one is due.
        REJECTED: the target says that the event is wrong, or its body cannot be made.
        PARKED: an earlier event of its key is a dead letter, and the target's order has it follow.
        EXHAUSTED: this attempt did not get through, and the policy allows no other.
        REDRIVEN: an operator says: once more.
        CANCELLED: an operator says: never, or to another target instead.
        LOST: the process ended before the store knew that it was claimed: it is a first try again.
        LOST_LATE: the process ended, and the store knew of it: it is tried again.
    """

    CLAIMED = "claimed"
    DELIVERED = "delivered"
    FAILED = "failed"
    REJECTED = "rejected"
    PARKED = "parked"
    EXHAUSTED = "exhausted"
    REDRIVEN = "redriven"
    CANCELLED = "cancelled"
    LOST = "lost at once"
    LOST_LATE = "lost"


TRANSITIONS: Mapping[tuple[State, Happening], State] = MappingProxyType(
    {
        (State.PENDING, Happening.CLAIMED): State.IN_FLIGHT,
        (State.PENDING, Happening.CANCELLED): State.CANCELLED,
        (State.IN_FLIGHT, Happening.DELIVERED): State.DELIVERED,
        (State.IN_FLIGHT, Happening.FAILED): State.RETRYING,
        (State.IN_FLIGHT, Happening.REJECTED): State.DEAD,
        (State.IN_FLIGHT, Happening.PARKED): State.DEAD,
        (State.IN_FLIGHT, Happening.EXHAUSTED): State.DEAD,
        (State.IN_FLIGHT, Happening.LOST): State.PENDING,
        (State.IN_FLIGHT, Happening.LOST_LATE): State.RETRYING,
        (State.RETRYING, Happening.CLAIMED): State.IN_FLIGHT,
        (State.RETRYING, Happening.CANCELLED): State.CANCELLED,
        (State.DEAD, Happening.REDRIVEN): State.RETRYING,
        (State.DEAD, Happening.CANCELLED): State.CANCELLED,
        (State.CANCELLED, Happening.REDRIVEN): State.RETRYING,
    }
)
"""What each state becomes. What is not in here cannot happen."""

BEGINNINGS: Mapping[State, str] = MappingProxyType(
    {State.PENDING: "accepted", State.RETRYING: "moved here from another target"}
)
"""How a delivery comes to be."""


class ImpossibleError(AssertionError):
    """This cannot happen to a delivery in this state: a fault of the router's own."""


def after(state: State, happening: Happening) -> State:
    """What a delivery in this state becomes.

    Raises:
        ImpossibleError: nothing.
    """
    try:
        return TRANSITIONS[state, happening]
    except KeyError:
        raise ImpossibleError(f"a delivery that is {state} cannot be {happening}") from None


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {_node(state)}: {how}" for state, how in BEGINNINGS.items()]
    labels: dict[tuple[State, State], list[Happening]] = {}
    for (state, happening), following in TRANSITIONS.items():
        labels.setdefault((state, following), []).append(happening)
    lines += [
        f"    {_node(state)} --> {_node(following)}: {', '.join(happenings)}"
        for (state, following), happenings in labels.items()
    ]
    return "\n".join([*lines, f"    {_node(State.DELIVERED)} --> [*]", ""])


def _node(state: State) -> str:
    return state.value.replace("-", "_")
