"""Rules as the router runs them: which ways does an event go?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import msgspec

from router.config.expressions import Expression
from router.errors import MessageError
from router.events import Event, EventError
from router.patterns import Fields, Index, Pattern, read
from router.store.base import Route
from router.targets.spec import TargetSpec
from router.transforms import Transform

Failed = Callable[[str, str], None]
"""Told of a rule that could not be asked about an event (a `where` that failed): its name, and why."""

_FEW = 16
_KNOWN = 1_000
"""For so many choices of so many rules is it remembered where they send an event, and for one more a rule."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule or one of its tests is written: for reports."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Destination:
    """One way of a rule: a target, and what it gets (None: the event itself)."""

    target: str
    transform: Transform | None = None

    @property
    def variant(self) -> str:
        """Which body: "" for the event itself."""
        return "" if self.transform is None else self.transform.variant


@dataclass(frozen=True, slots=True)
class RuleTest:
    """An event, and whether its rule must match it.

    Attributes:
        name: "" where it has none.
    """

    name: str
    event: Event
    expect: Literal["match", "no-match"]
    place: Place


class Seen:
    """An event as rules look at it; each way of looking is made once, and only if a rule asks for it."""

    def __init__(self, event: Event) -> None:
        self._event = event

    @cached_property
    def fields(self) -> Fields:
        """What patterns see."""
        return read(self._event)

    @cached_property
    def view(self) -> Any:
        """What expressions see."""
        return self._event.view()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, compiled.

    Attributes:
        pattern: None matches everything (a backstop without `match`).
        where: asked only of events that the pattern lets through.
        backstop: only for events that no other rule matched.
    """

    name: str
    description: str
    pattern: Pattern | None
    where: Expression | None
    routes: tuple[Destination, ...]
    backstop: bool
    tests: tuple[RuleTest, ...]
    place: Place

    def matches(self, seen: Seen, failed: Failed) -> bool:
        """Whether an event passes `match` and `where`; `failed` is told why it could not be asked."""
        return self._asked(failed, lambda: self._fits(seen) and self._holds(seen))

    def holds(self, seen: Seen, failed: Failed) -> bool:
        """Whether an event that passes `match` passes `where` too; `failed` as in `matches`."""
        return self.where is None or self._asked(failed, lambda: self._holds(seen))

    def _fits(self, seen: Seen) -> bool:
        return self.pattern is None or self.pattern.matches_fields(seen.fields)

    def _holds(self, seen: Seen) -> bool:
        return self.where is None or self.where.holds(seen.view)

    def _asked(self, failed: Failed, question: Callable[[], bool]) -> bool:
        try:
            return question()
        except MessageError as error:
            failed(self.name, error.message)
        except (msgspec.MsgspecError, RecursionError) as error:  # they refuse some texts that JSON allows
            failed(self.name, f"the payload cannot be decoded: {error}")
        return False


def ignore(_rule: str, _why: str) -> None:
    """Tell nobody of a failed `where`."""


def _certainly(_rule: Rule) -> bool:
    return True


class Fitting(NamedTuple):
    """The rules whose `match` fits an event.

    Attributes:
        names: theirs, in the order of the files.
        routes: where the event goes; None where these names do not tell it.
    """

    names: tuple[str, ...]
    routes: tuple[Route, ...] | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """Rules and targets, checked and compiled: what the router runs until the next reload.

    Attributes:
        rules: in the order of the configuration.
        targets: by name.
        version: the content hash of rules and targets as they were written.
        text: what `version` is the hash of, as canonical JSON: `transforms_of` reads it.
    """

    rules: tuple[Rule, ...]
    targets: Mapping[str, TargetSpec]
    version: str
    text: str
    _named: dict[str, Rule] = field(init=False, repr=False)
    _backstops: tuple[Rule, ...] = field(init=False, repr=False)
    _index: Index[Fitting] = field(init=False, repr=False)
    _known: dict[tuple[str, ...], Fitting] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = {rule.name: rule for rule in self.rules}
        patterns = {rule.name: rule.pattern for rule in self.rules if rule.pattern is not None}
        object.__setattr__(self, "_named", named)
        object.__setattr__(self, "_backstops", tuple(rule for rule in self.rules if rule.backstop))
        object.__setattr__(self, "_index", Index(patterns, self._concluded))
        object.__setattr__(self, "_known", {})

    def matching(self, event: Event, failed: Failed = ignore) -> tuple[Rule, ...]:
        """The rules that match an event; backstops only where no other rule does."""
        return self._wanting(event, self._fitting(event, failed), failed)

    def route(self, event: Event, failed: Failed = ignore) -> tuple[Route, ...]:
        """Where an event goes. Rules that send the same body to the same target are one route.

        Args:
            event: what came.
            failed: told of each rule whose `where` failed on it.
        """
        fitting = self._fitting(event, failed)
        if fitting.routes is not None:
            return fitting.routes
        return routes_of(self._wanting(event, fitting, failed))

    def _fitting(self, event: Event, failed: Failed) -> Fitting:
        """The rules whose `match` fits."""
        try:
            return self._index.match_event(event)
        except (EventError, msgspec.MsgspecError, RecursionError):  # ask each, to know which cannot say
            seen = Seen(event)
            return self._concluded(
                [rule.name for rule in self.rules if rule.pattern and rule.matches(seen, failed)]
            )

    def _wanting(self, event: Event, fitting: Fitting, failed: Failed) -> tuple[Rule, ...]:
        """Those of these rules that want an event."""
        seen = Seen(event)
        return self._chosen(fitting.names, lambda rule: rule.holds(seen, failed))

    def _concluded(self, names: list[str]) -> Fitting:
        """What the names of the rules whose `match` fits tell."""
        key = tuple(names)
        fitting = self._known.get(key)
        if fitting is None:
            is_all = len(key) <= _FEW and not self._asks_more(key)
            fitting = Fitting(key, routes_of(self._chosen(key, _certainly)) if is_all else None)
            if is_all:
                if len(self._known) == _KNOWN + len(self.rules):
                    self._known.clear()
                self._known[key] = fitting
        return fitting

    def _asks_more(self, names: tuple[str, ...]) -> bool:
        """Whether it may take more than the names of the fitting rules to know where an event goes."""
        return any(
            rule.where is not None for rule in (*map(self._named.__getitem__, names), *self._backstops)
        )

    def _chosen(self, names: Sequence[str], holds: Callable[[Rule], bool]) -> tuple[Rule, ...]:
        """Those of the fitting rules that want an event; backstops only where no other rule does.

        Args:
            names: of the rules whose `match` fits.
            holds: whether such a rule's `where` holds, too.
        """
        fitting = [self._named[name] for name in names]
        wanted = tuple(rule for rule in fitting if not rule.backstop and holds(rule))
        if wanted:
            return wanted
        return tuple(
            rule for rule in self._backstops if (rule.pattern is None or rule in fitting) and holds(rule)
        )


def routes_of(rules: Iterable[Rule]) -> tuple[Route, ...]:
    """The ways of an event that these rules want."""
    names: dict[tuple[str, str], list[str]] = {}
    for rule in rules:
        for way in rule.routes:
            held = names.setdefault((way.target, way.variant), [])
            if rule.name not in held:
                held.append(rule.name)
    return tuple(Route(target, variant, tuple(rules)) for (target, variant), rules in names.items())
