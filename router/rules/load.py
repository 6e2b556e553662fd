"""Makes a `Deployment` of the files of a configuration, and says everything that is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from sys import intern
from typing import Any

import msgspec

from router.config.expressions import Expression, ExpressionError, compile_expression
from router.config.files import Entry, entries
from router.config.problems import Path, Severity
from router.config.report import Report
from router.config.shapes import validate
from router.config.yaml import Document, number
from router.errors import ConfigurationError
from router.events import Event, EventError
from router.patterns import Pattern, PatternError, parse_rule
from router.patterns.errors import written
from router.rules.lint import examples, expressions, patterns, whole
from router.rules.lint.patterns import seen_by_tests
from router.rules.model import Deployment, Destination, Place, Rule, RuleTest
from router.rules.spec import RouteSpec, RuleSpec
from router.rules.testing import event_of
from router.targets.registry import Registry
from router.targets.spec import TargetSpec, read_targets
from router.transforms import Transform, compile_transform, faults, pieces

VERSION_DIGITS = 16


def load(
    documents: Sequence[Document], registry: Registry, environ: Mapping[str, str] | None, report: Report
) -> Deployment | None:
    """Compile rules and targets.

    Args:
        documents: the deployment's files (`router.config.files.read_files`).
        registry: the kinds of target that exist.
        environ: the environment that targets refer to. None: the deployment is there to be asked where
            events go, and not to be run; it has no targets then, and needs no environment.
        report: where problems go.

    Returns:
        The deployment; None if `report` has errors.
    """
    targets = read_targets(documents, registry, environ, report)
    rules = [
        rule for entry in entries(documents, "rules") if (rule := _Reader(entry, report).rule()) is not None
    ]
    whole.check(documents, targets, report)
    if report.errors:
        return None
    text = _text(documents)
    return Deployment(tuple(rules), {} if environ is None else _sound(targets), version_of(text), text)


def version_of(text: str) -> str:
    """The version of a configuration: the first 16 hexadecimal digits of its text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def transforms_of(text: str) -> dict[str, Transform]:
    """The transforms of a stored configuration version, by variant.

    Args:
        text: a `Deployment.text`, of this or of an earlier day.

    Raises:
        ConfigurationError: it is not such a text, or this router no longer understands a transform in it.
    """
    try:
        rules = _DECODER.decode(text)["rules"]
        ways = [(rule, way) for rule in rules for way in rule["targets"] if isinstance(way, dict)]
        written = [
            (rule.get("name", ""), way["transform"]) for rule, way in ways if way.get("transform") is not None
        ]
    except (msgspec.MsgspecError, LookupError, TypeError) as error:
        raise ConfigurationError(f"this is no configuration version: {error}") from error
    compiled = [compile_transform(transform, rule) for rule, transform in written]
    return {transform.variant: transform for transform in compiled}


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _float(spelling: str) -> Any:
    return number(spelling)


_DECODER = msgspec.json.Decoder(float_hook=_float)


def _text(documents: Sequence[Document]) -> str:
    """Rules and targets as they were written, before the environment comes in: no secret is in it.

    Keys keep their order: it is that of the bodies which transforms make, and has a meaning beside `$or`.
    """
    written = {
        "rules": [entry.value for entry in entries(documents, "rules")],
        "targets": {entry.name: entry.value for entry in entries(documents, "targets")},
    }
    return _ENCODER.encode(written).decode()


def _sound(targets: Mapping[str, TargetSpec | None]) -> dict[str, TargetSpec]:
    return {name: spec for name, spec in targets.items() if spec is not None}


class _Reader:
    """Reads one rule."""

    def __init__(self, entry: Entry, report: Report) -> None:
        self.entry = entry
        self.report = report

    def rule(self) -> Rule | None:
        """The rule; None if its shape is wrong. What else is wrong with it is reported."""
        document, path, value = self.entry.document, self.entry.path, self.entry.value
        spec = validate(RuleSpec, value, document, path, self.report)
        if spec is None:
            self._parts_of(value)
            return None
        if spec.match is None and not spec.backstop and (*path, "match") not in document.broken:
            what = f"the rule {spec.name!r} has no match"
            hint = "say which events it is for, or make it a backstop: true"
            self.report.add(document, path, "no-match", what, hint)
        examples.check(self.entry, self.report)
        return Rule(
            name=spec.name,
            description=spec.description,
            pattern=self._pattern(spec.match),
            where=self._where(spec.where),
            routes=tuple(self._route(index, way, spec.name) for index, way in enumerate(spec.targets)),
            backstop=spec.backstop,
            tests=tuple(
                RuleTest(test.name, event, test.expect, self._place("tests", index))
                for index, test in enumerate(spec.tests)
                if (event := self._event(index, test.event)) is not None
            ),
            place=self._place("name"),
        )

    def _parts_of(self, value: Any) -> None:
        """Report what is wrong inside a rule whose shape is wrong too: everything at once."""
        if not isinstance(value, dict):
            return
        if isinstance(match := value.get("match"), dict):
            self._pattern(match)
        if isinstance(where := value.get("where"), str):
            self._where(where)
        ways = value.get("targets")
        for index, way in enumerate(ways if isinstance(ways, list) else []):
            if isinstance(way, dict) and isinstance(transform := way.get("transform"), dict):
                self._transform(index, transform, "")

    def _pattern(self, match: dict[str, Any] | None) -> Pattern | None:
        if match is None:
            return None
        try:
            pattern = parse_rule(match)
        except PatternError as error:
            for problem in (error, *error.others):
                inner = ("match", *problem.path)
                what = f"match.{written(problem.path)}: {problem.reason}" if problem.path else problem.reason
                self._add(inner, "pattern", what, problem.hint or "", key=True)
            return None
        patterns.check(self.entry, self.report)
        return pattern

    def _where(self, text: str | None) -> Expression | None:
        if text is None:
            return None
        try:
            expression = compile_expression(text)
        except ExpressionError as error:
            self._add(("where",), "expression", f"where: {error.message}", error.hint, error.offset)
            return None
        expressions.check(expression, partial(self._doubt, ("where",)), seen_by_tests(self.entry.value))
        return expression

    def _route(self, index: int, way: RouteSpec, rule: str) -> Destination:
        transform = None if way.transform is None else self._transform(index, way.transform, rule)
        return Destination(intern(way.target), transform)  # one text for all rules: it stays in the cache

    def _transform(self, index: int, written: dict[str, Any], rule: str) -> Transform | None:
        sound = True
        for fault in faults(written):
            sound = False
            inner = ("targets", index, "transform", *fault.path)
            key = fault.offset is None
            self._add(inner, "transform", f"transform: {fault}", fault.hint, fault.offset, key=key)
        if not sound:
            return None
        seen = seen_by_tests(self.entry.value)
        for piece in pieces(written):
            place = ("targets", index, "transform", *piece.path)
            expressions.check_piece(piece, partial(self._doubt, place), seen)
        return compile_transform(written, rule)

    def _event(self, index: int, written: dict[str, Any]) -> Event | None:
        try:
            return event_of(written)
        except EventError as error:
            self._add(("tests", index, "event"), "test-event", f"the test's event: {error.message}", "")
            return None

    def _add(
        self,
        path: Path,
        code: str,
        message: str,
        hint: str,
        offset: int | None = None,
        *,
        key: bool = False,
    ) -> None:
        whole = (*self.entry.path, *path)
        self.report.add(self.entry.document, whole, code, message, hint, key=key, offset=offset)

    def _doubt(self, path: Path, offset: int, message: str, hint: str) -> None:
        document, whole_path = self.entry.document, (*self.entry.path, *path)
        what = f"{path[0]}: {message}" if len(path) == 1 else f"transform: {message}"
        self.report.add(
            document, whole_path, "doubtful", what, hint, offset=offset, severity=Severity.WARNING
        )

    def _place(self, *inner: str | int) -> Place:
        document = self.entry.document
        mark = document.place((*self.entry.path, *inner))
        return Place(document.file, mark.line, mark.column)
