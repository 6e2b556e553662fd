"""Events in rules' tests that can hardly be meant: the rule is then tested with what nobody sends."""

from __future__ import annotations

import re

from router.config.files import Entry
from router.config.problems import Severity
from router.config.report import Report
from router.events.model import SPEC_ATTRIBUTES
from router.patterns.rule import DATA
from router.rules.lint.patterns import EXTENSIONS, OFTEN_MEANT, SHORTEST, is_slip
from router.rules.lint.vocabulary import doubt_of_word, is_of_cloud


def check(entry: Entry, report: Report) -> None:
    """Warn of keys and words in the events of a rule's tests, whose shape is sound."""
    rest = str({key: value for key, value in entry.value.items() if key != "tests"})
    for index, test in enumerate(entry.value.get("tests") or ()):
        event = test["event"]
        for name, value in event.items():
            place = (*entry.path, "tests", index, "event", name)
            if (meant := _meant(name, event, rest)) is not None:
                what = f"the test's event has an extension {name!r}, and no {meant!r}"
                hint = f"did you mean {meant}?"
                report.add(entry.document, place, "doubtful", what, hint, key=True, severity=Severity.WARNING)
            of_cloud = isinstance(value, str) and is_of_cloud(event.get("type"))
            if of_cloud and (doubt := doubt_of_word(name, value)) is not None:
                what, hint = f"the test's event is none that this cloud sends: {doubt[0]}", doubt[1]
                report.add(entry.document, place, "doubtful", what, hint, severity=Severity.WARNING)


def _meant(name: str, event: dict[str, object], rest: str) -> str | None:
    """The attribute of which one slip made `name`; None where it may be meant as it is written.

    It may where the rule says that name elsewhere, or the event has that other attribute as well.
    """
    if name in SPEC_ATTRIBUTES or name == DATA or name in EXTENSIONS or len(name) < SHORTEST:
        return None
    if re.search(rf"\b{re.escape(name)}\b", rest):
        return None
    return next((known for known in OFTEN_MEANT if known not in event and is_slip(name, known)), None)
