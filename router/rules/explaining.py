"""Why each rule does or does not match an event, and what its targets would get."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from router.config.problems import Path
from router.errors import MessageError
from router.events import Event
from router.patterns import Verdict, explain, nodes
from router.rules.model import Deployment, Destination, Place, Rule, Seen
from router.rules.testing import shown
from router.targets.auth.hiding import HIDDEN, hidden, in_headers, says_secret
from router.targets.fields import Templates, is_template
from router.transforms import TransformSyntaxError

Locate = Callable[[Rule, Path], Place]
"""Where a part of a rule is written: keys and indexes from the rule's own mapping."""


class Verdicts(enum.StrEnum):
    """What becomes of an event at a rule.

    Attributes:
        NOT_ASKED: it would match, but it is a backstop, and another rule matches.
    """

    MATCH = "match"
    NO_MATCH = "no-match"
    NOT_ASKED = "not-asked"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One condition of a rule; its `where` is one too.

    Attributes:
        place: where it is written.
        verdict: what it asks, what the event has there, and whether it holds.
    """

    place: Place
    verdict: Verdict

    @property
    def matched(self) -> bool:
        """Whether it holds."""
        return self.verdict.matched


@dataclass(frozen=True, slots=True)
class BodyTold:
    """What a target would get.

    Attributes:
        body: what the transform makes; None without one, and for one that fails.
        content_type: of that body; None without one: the event itself, in the target's own format.
        headers: those that an `http` target fills in for each event. Neither the environment nor a
            secret that stands in the file is in them.
        error: why no body or header can be made: the delivery would be a dead letter.
    """

    target: str
    body: str | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RuleTold:
    """What one rule says of an event.

    Attributes:
        branches: the alternatives of its pattern, each with its leaves; one, unless it has `$or`. A branch
            holds exactly if all its leaves do. `where` is asked if one does, and stands in each then.
        bodies: what its targets would get, if it matches.
        why: what the leaves do not say; "" where they say it all.
    """

    rule: str
    place: Place
    verdict: Verdicts
    branches: tuple[tuple[Leaf, ...], ...]
    bodies: tuple[BodyTold, ...]
    why: str = ""


def explained(
    deployment: Deployment, event: Event, locate: Locate, received: float = 0.0
) -> Iterator[RuleTold]:
    """What every rule says of an event, in the order of the configuration.

    Args:
        deployment: the rules.
        event: what came, or might come.
        locate: where things are written.
        received: when it was accepted, in seconds since the epoch.
    """
    failures: dict[str, str] = {}
    matching = deployment.matching(event, failures.__setitem__)
    templates = _templates(deployment)
    for rule in deployment.rules:
        matched = rule in matching
        why = failures.get(rule.name, "")
        branches: tuple[tuple[Leaf, ...], ...] = ()
        try:
            branches = _branches(rule, event, locate)
        except (MessageError, msgspec.MsgspecError, RecursionError) as error:
            why = why or f"it cannot be asked: {error}"
        fits = any(all(leaf.matched for leaf in branch) for branch in branches)
        verdict = Verdicts.MATCH if matched else Verdicts.NO_MATCH
        if rule.backstop and fits and not matched and not why:
            verdict, why = Verdicts.NOT_ASKED, f"a backstop, and {matching[0].name} matches"
        bodies = tuple(_body(way, event, received, templates) for way in rule.routes) if matched else ()
        yield RuleTold(rule.name, rule.place, verdict, branches, bodies, why)


def _branches(rule: Rule, event: Event, locate: Locate) -> tuple[tuple[Leaf, ...], ...]:
    """A leaf for each condition; without a pattern there is one branch, which holds."""
    found: tuple[tuple[Leaf, ...], ...] = ((),)
    fits = True
    if rule.pattern is not None:
        explanation = explain(rule.pattern, event)
        fits = explanation.matched
        found = tuple(
            tuple(_leaf(verdict, rule, locate) for verdict in branch) for branch in explanation.branches
        )
    if rule.where is None or not fits:
        return found
    where = _where(rule, event, locate)
    return tuple((*branch, where) for branch in found)


def _leaf(verdict: Verdict, rule: Rule, locate: Locate) -> Leaf:
    return Leaf(locate(rule, ("match", *verdict.place.path)), verdict)


def _where(rule: Rule, event: Event, locate: Locate) -> Leaf:
    assert rule.where is not None
    view = Seen(event).view
    why = None
    try:
        found, matched = shown(rule.where.search(view)), rule.where.holds(view)
    except MessageError as error:
        found, matched, why = "an error", False, error.message
    place = nodes.Place(("where",))
    return Leaf(locate(rule, place.path), Verdict("where", rule.where.text, place, (found,), matched, why))


def _body(
    way: Destination, event: Event, received: float, templates: Mapping[str, Mapping[str, str]]
) -> BodyTold:
    try:
        headers = _filled(templates.get(way.target, {}), event)
        if way.transform is None:
            return BodyTold(way.target, headers=headers)
        rendered = way.transform.render(event, received)
    except MessageError as error:
        return BodyTold(way.target, error=error.message)
    return BodyTold(way.target, rendered.content.decode(), rendered.content_type, headers)


def _templates(deployment: Deployment) -> dict[str, dict[str, str]]:
    """By target, the headers that are filled in for each event, as the files have them.

    A template that stands in a secret's file is not read: nobody wants to see it.
    """
    targets = msgspec.json.decode(deployment.text)["targets"]
    return {name: found for name, written in targets.items() if (found := _templates_of(written))}


def _templates_of(written: dict[str, Any]) -> dict[str, str]:
    headers = (written.get("http") or {}).get("headers") or {}
    return {name: value for name, value in headers.items() if isinstance(value, str) and is_template(value)}


def _filled(templates: Mapping[str, str], event: Event) -> dict[str, str]:
    """These headers for an event; one that nobody can read without the environment stays as it is.

    Where its name says that a header is a secret, what the file has of it is not shown.

    Raises:
        MessageError: one cannot be made.
    """
    filled: dict[str, str] = {}
    for name, written in templates.items():
        try:
            (value,) = Templates({name: written}).fill(event).values()
            filled[name] = hidden(value, _constant(name, written))
        except TransformSyntaxError:
            filled[name] = HIDDEN if says_secret(name) else written
    return filled


def _constant(name: str, written: str) -> list[str]:
    """What must not be shown of a header as it is written; variables of the environment say nothing."""
    return [one for one in in_headers({name: written}) if "${" not in one] if says_secret(name) else []
