"""What stands in `targets/*.yml`: a name, exactly one kind with its settings, and how to deliver there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ModelWrapValidatorHandler, model_validator

from router.config.environment import as_written, interpolate
from router.config.expressions import ExpressionError, compile_expression
from router.config.files import Entry, entries
from router.config.model import Shape
from router.config.names import QUARANTINE, check_name
from router.config.problems import did_you_mean
from router.config.report import Report
from router.config.shapes import described, validate
from router.config.units import Duration, Whole
from router.config.yaml import Document
from router.plugins import KindError, unusable
from router.targets.base import REJECTING, Exclusive
from router.targets.rates import Rate
from router.targets.registry import Registry

_USUAL_PAUSES = {"first": "1s, where nothing is said", "most": "10m, where nothing is said"}


class Retry(Shape):
    """When to try again, and when to give up.

    Attributes:
        within: `for`: give up this long after the first attempt, in seconds.
        attempts: give up after so many, the first one included.
        first: the longest pause before the second attempt, in seconds; it doubles from there.
        most: the longest pause of all, in seconds.
        reject: HTTP statuses that say that the event is wrong: a dead letter at once.
    """

    within: Annotated[Duration, Field(alias="for", gt=0)] = 86400.0
    attempts: Annotated[Whole, Field(ge=1)] = 185
    first: Annotated[Duration, Field(gt=0)] = 1.0
    most: Annotated[Duration, Field(gt=0)] = 600.0
    reject: list[Annotated[Whole, Field(ge=300, le=599)]] = sorted(REJECTING)

    @model_validator(mode="wrap")
    @classmethod
    def _in_order(cls, given: Any, make: ModelWrapValidatorHandler[Retry]) -> Retry:
        made = make(given)
        if made.first > made.most:
            first, most = (as_written(given.get(key, usual)) for key, usual in _USUAL_PAUSES.items())
            raise ValueError(f"first ({first}) is longer than most ({most})")
        return made


def _expression(text: str) -> str:
    try:
        compile_expression(text)
    except ExpressionError as error:
        raise ValueError(f"{error.message}; {error.hint}" if error.hint else error.message) from None
    return text


class Handling(Shape):
    """What every target may have beside its kind.

    Attributes:
        rate: how many deliveries may begin in a second; None for as many as can.
        concurrency: how many deliveries may be under way at once; None leaves it to the kind.
        order_by: JMESPath over the event: first in, first out for each of its values; None for any order.
        on_poison: with `order_by`: what a dead letter means for later events of its key. `block`: they wait
            until it is redriven or dropped. `park`: they become dead letters as well. `skip`: they go on.
        dead_letter: the target that is told of each dead letter of this one; None for nobody.
    """

    retry: Retry = Retry()
    rate: Rate | None = None
    concurrency: Annotated[Whole, Field(ge=1)] | None = None
    order_by: Annotated[str, AfterValidator(_expression)] | None = None
    on_poison: Literal["block", "park", "skip"] | None = None
    dead_letter: str | None = None

    @model_validator(mode="after")
    def _has_order(self) -> Handling:
        if self.on_poison is not None and self.order_by is None:
            raise ValueError("on_poison says how an order is kept, and there is none; add order_by")
        return self


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A target as the configuration has it.

    Attributes:
        kind: the word it was written with, such as `http`.
        settings: an instance of that kind's settings model.
        retry: when to try again, and when to give up.
        rate: how many deliveries may begin in a second; None for as many as can.
        concurrency: how many deliveries may be under way at once; None leaves it to the kind.
        order_by: JMESPath over the event, whose values are kept in order; None for any order.
        on_poison: what a dead letter means for later events of its key; None where nothing is said.
        dead_letter: the target that is told of each dead letter of this one; None for nobody.
    """

    name: str
    kind: str
    settings: BaseModel
    retry: Retry
    rate: float | None
    concurrency: int | None
    order_by: str | None
    on_poison: str | None
    dead_letter: str | None


def read_targets(
    documents: Sequence[Document], registry: Registry, environ: Mapping[str, str] | None, report: Report
) -> dict[str, TargetSpec | None]:
    """All targets, by name, in order; None for one that is there but broken (`report` says why).

    Args:
        documents: the deployment's files.
        registry: the kinds that exist.
        environ: the environment that `${NAME}` refers to; None where nobody wants to open a target.
        report: where problems go.
    """
    found: dict[str, TargetSpec | None] = {}
    first: dict[str, Entry] = {}
    for entry in entries(documents, "targets"):
        if entry.name in first:
            there = first[entry.name]
            line = there.document.place(there.path, key=True).line
            what = f"the target {entry.name!r} is defined twice"
            hint = f"the first one is in {there.document.file}:{line}"
            report.add(entry.document, entry.path, "duplicate-target", what, hint, key=True)
            continue
        first[entry.name] = entry
        found[entry.name] = _read(entry, registry, environ, report)
    _check_claims(found, first, report)
    return found


def _check_claims(found: Mapping[str, TargetSpec | None], where: Mapping[str, Entry], report: Report) -> None:
    """Report targets that claim what another one has claimed."""
    owners: dict[str, str] = {}
    for name, spec in found.items():
        if spec is None or not isinstance(spec.settings, Exclusive):
            continue
        try:
            claim = spec.settings.claim()
        except Exception as error:  # noqa: BLE001 (a kind may be anybody's)
            _broken(where[name], spec.kind, error, report)
            continue
        if claim is None:
            continue
        owner = owners.setdefault(claim, name)
        if owner != name:
            what = f"the targets {owner!r} and {name!r} want the same {claim.partition(' ')[0]}"
            there = where[owner]
            line = there.document.place(there.path, key=True).line
            hint = f"give one of them another; {owner!r} is in {there.document.file}:{line}"
            here = where[name]
            report.add(here.document, (*here.path, spec.kind), "claimed", what, hint, key=True)


def _read(
    entry: Entry, registry: Registry, environ: Mapping[str, str] | None, report: Report
) -> TargetSpec | None:
    document, path = entry.document, entry.path
    sound = _has_name(entry, report)
    if not isinstance(entry.value, dict):
        what = f"the target {entry.name!r} wants a mapping with one kind, found {described(entry.value)}"
        report.add(document, path, "wrong-type", what, f"the kinds here are {', '.join(registry)}")
        return None
    value = interpolate(document, path, entry.value, environ, report)
    kind = _kind(entry, registry, report)
    common = {key: held for key, held in value.items() if key in Handling.model_fields}
    handling = validate(Handling, common, document, path, report)
    if kind is None:
        return None
    settings = _settings(kind, value[kind], entry, registry, report)
    if handling is None or settings is None or not sound:
        return None
    common = {name: getattr(handling, name) for name in Handling.model_fields}
    return TargetSpec(entry.name, kind, settings, **common)


def _has_name(entry: Entry, report: Report) -> bool:
    try:
        check_name(entry.name)
    except ValueError as error:
        report.add(entry.document, entry.path, "name", str(error), key=True)
        return False
    if entry.name == QUARANTINE:
        what = f"{QUARANTINE!r} is the router's own: there is what verified senders sent and it cannot read"
        report.add(entry.document, entry.path, "name", what, "give the target another name", key=True)
        return False
    return True


def _kind(entry: Entry, registry: Registry, report: Report) -> str | None:
    """The one kind of a target. Keys that are nothing here are reported."""
    words = [key for key in entry.value if key not in Handling.model_fields]
    kinds = [word for word in words if word in registry]
    for word in words:
        if word not in registry:
            _unknown(entry, word, registry, report)
    if len(kinds) > 1:
        what = f"the target {entry.name!r} has several kinds: {' and '.join(kinds)}"
        report.add(entry.document, (*entry.path, kinds[1]), "kind", what, "make two targets of it", key=True)
        return None
    if not words:
        what = f"the target {entry.name!r} has no kind"
        hint = f"the kinds here are {', '.join(registry)}"
        report.add(entry.document, entry.path, "kind", what, hint, key=True)
    return kinds[0] if kinds else None


def _unknown(entry: Entry, word: str, registry: Registry, report: Report) -> None:
    known = [*registry, *Handling.model_fields]
    if any(key in registry for key in entry.value):
        what = f"unknown key {word!r}"
        hint = (
            _belongs_under(entry, word, registry)
            or did_you_mean(word, known)
            or f"beside its kind, a target has {_listed(Handling.model_fields)}"
        )
    else:
        what = f"there is no kind of target called {word!r}"
        hint = did_you_mean(word, known) or f"the kinds here are {', '.join(registry)}"
    where = ".".join(map(str, entry.path))
    report.add(entry.document, (*entry.path, word), "unknown-key", f"{where}: {what}", hint, key=True)


def _belongs_under(entry: Entry, word: str, registry: Registry) -> str:
    """A hint for a kind's own setting that stands beside the kind."""
    for kind in entry.value:
        try:
            if kind in registry and word in registry.kind(kind).settings.model_fields:
                return f"it belongs under {kind}"
        except KindError:
            continue  # told where the kind stands
    return ""


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}"


def _settings(kind: str, value: Any, entry: Entry, registry: Registry, report: Report) -> BaseModel | None:
    try:
        model = registry.kind(kind).settings
    except KindError as error:
        report.add(entry.document, (*entry.path, kind), "kind", error.message, error.hint, key=True)
        return None
    try:
        return validate(model, {} if value is None else value, entry.document, (*entry.path, kind), report)
    except Exception as error:  # noqa: BLE001 (a kind may be anybody's)
        _broken(entry, kind, error, report)
        return None


def _broken(entry: Entry, kind: str, error: Exception, report: Report) -> None:
    told = unusable("target", kind, error)
    report.add(entry.document, (*entry.path, kind), "kind", told.message, told.hint, key=True)
