"""Patterns that hardly mean what they say: they are read as they stand, with a warning."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

from router.config.files import Entry
from router.config.problems import Path, Severity
from router.config.report import Report
from router.events.model import SPEC_ATTRIBUTES
from router.patterns.hints import not_ours
from router.patterns.operators import RULE_OPERATORS
from router.patterns.rule import DATA, GLOBBED
from router.patterns.structure import OR
from router.rules.lint.vocabulary import WORDS, doubt_of_word, is_of_cloud

_NEARLY = 0.8
"""How near to an operator (difflib's ratio) a field's name must be to be suspect."""

EXTENSIONS = (
    *("verdict", "verdictreason", "ciformat", "cicontentversion", "replayname", "replayof"),
    *("traceparent", "tracestate"),
    *("aliyunaccountid", "aliyuneventbusname", "aliyunpublishaddr", "aliyunpublishtime", "aliyunregionid"),
)
"""What the router, its sources and their clouds add to events."""

OFTEN_MEANT = ("type", "source", "subject", "id", "time", DATA, "dataschema", "datacontenttype", *EXTENSIONS)
SHORTEST = 3
"""Characters of an attribute's name below which every other one would be near to `id`."""

_BOOLEANS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
"""What other YAML takes for a boolean, in lower case, and what to write here."""

_ENDS = {"prefix": str.rstrip, "suffix": str.lstrip, "contains": str.strip}
"""Operators whose texts go on anyway where they begin or end, and what takes a `*` from there."""

_WHOLE = ((), ("exactly",), ("anything-but",), ("equals-ignore-case",))
"""Operators that compare a value as a whole."""

_REGEX = re.compile(
    r"\A\^|\$\Z"  # anchors
    r"|\([^()]*\|[^()]*\)"  # alternatives
    r"|\\[dwsDWSb.]|\[[^\]]+\][+*?]"  # classes of characters
    r"|(?:\A|[^\w.*-])\.\*"  # any run of characters, as in imm:.* -- but com.example.* is a glob
    r"|\A[^.]*:[^.]*\.\*\Z|\A[^.]*\.\*\w"  # the same, where the only dot follows a word
)
_BETWEEN_SLASHES = re.compile(r"/.+/\Z", re.DOTALL)
_MORE_THAN_A_PATH = re.compile(r"[+?()|\[\]\\^$]|\.\*")

Warn = Callable[..., None]


class Field(NamedTuple):
    """A field that a pattern names.

    Attributes:
        path: from the pattern to it; its last step is the key as it is written.
        inside: whether it stands in the payload.
    """

    path: Path
    value: Any
    inside: bool


class Text(NamedTuple):
    """A text that a field is compared with.

    Attributes:
        path: from the pattern to it.
        field: the context attribute; `data` for everything in the payload.
        operators: in which it stands, the outermost first; none for a plain value.
    """

    path: Path
    field: str
    operators: tuple[str, ...]
    text: str


class Seen(NamedTuple):
    """What the events in a rule's tests have.

    Attributes:
        attributes: theirs.
        fields: those of their payloads.
        words: attributes and what they are, in lower case, of events that no cloud sends.
    """

    attributes: set[str]
    fields: set[str]
    words: frozenset[tuple[str, str]]


def check(entry: Entry, report: Report) -> None:
    """Warn of what a rule's `match`, which is sound, can hardly mean."""
    base = (*entry.path, "match")
    seen = seen_by_tests(entry.value)

    def warn(path: Path, what: str, hint: str, *, key: bool = False) -> None:
        place = (*base, *path)
        report.add(entry.document, place, "doubtful", what, hint, key=key, severity=Severity.WARNING)

    for found in _walk(entry.value["match"], (), inside=False):
        if isinstance(found, Text):
            _check_star(found, warn)
            _check_regex(found, warn)
            _check_word(found, seen, warn)
            if entry.document.place((*base, *found.path)).inner == 0:
                _check_boolean(found, warn)
        elif found.inside:
            _check_payload_field(found, partial(warn, key=True))
        else:
            _check_attribute(found, seen, partial(warn, key=True))


def _walk(held: Any, path: Path, *, inside: bool) -> Iterator[Field | Text]:
    """Fields and texts of a pattern, as `router.patterns.rule` reads it."""
    if not isinstance(held, Mapping):
        return
    for key, value in held.items():
        at = (*path, key)
        if key == OR:
            for index, branch in enumerate(value if isinstance(value, list) else []):
                yield from _walk(branch, (*at, index), inside=inside)
            continue
        yield Field(at, value, inside)
        field = DATA if inside else key.partition(".")[0]
        whole_payload = key == DATA and not inside
        of_operators = isinstance(value, Mapping) and all(name in RULE_OPERATORS for name in value)
        if field == DATA and isinstance(value, Mapping) and (whole_payload or not of_operators):
            yield from _walk(value, at, inside=True)
        elif not (inside and not_ours(key)):  # of such a field there is enough to say already
            yield from _texts(value, at, field, ())


def _texts(value: Any, path: Path, field: str, operators: tuple[str, ...]) -> Iterator[Text]:
    if isinstance(value, str):
        yield Text(path, field, operators, value)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts(one, (*path, index), field, operators)
    elif isinstance(value, Mapping):
        for name, operand in value.items():
            yield from _texts(operand, (*path, name), field, (*operators, name))


def seen_by_tests(rule: Any) -> Seen:
    """What events in the tests of a rule, as it is written, have."""
    tests = rule.get("tests") if isinstance(rule, Mapping) else None
    events = (
        [test.get("event") for test in tests if isinstance(test, dict)] if isinstance(tests, list) else []
    )
    found = [event for event in events if isinstance(event, dict)]
    payloads = [event[DATA] for event in found if isinstance(event.get(DATA), dict)]
    own = [event for event in found if not is_of_cloud(event.get("type"))]
    return Seen(
        {name for event in found for name in event},
        {name for data in payloads for name in data},
        frozenset(
            (name, event[name].lower()) for event in own for name in WORDS if isinstance(event.get(name), str)
        ),
    )


# Fields.


def _check_payload_field(found: Field, warn: Warn) -> None:
    """A field that is called, or nearly called, like an operator would never match, silently."""
    name = str(found.path[-1])
    what = f"{name!r} is a field of the payload here"
    if (instead := not_ours(name)) is not None:
        if not isinstance(found.value, Mapping):
            above = [step for step in found.path[:-1] if isinstance(step, str) and step != OR]
            hint = f"if it was meant as an operator, {instead}; if not, join it to {above[-1]} with a dot"
            warn(found.path, what, f"{hint}: `{above[-1]}.{name}`")
    elif (near := _near_operator(name)) is not None:
        warn(found.path, what, f"if you meant the operator, write {near!r}")


@lru_cache(maxsize=10_000)
def _near_operator(name: str) -> str | None:
    near = difflib.get_close_matches(name, RULE_OPERATORS, n=1, cutoff=_NEARLY)
    return near[0] if near and name not in RULE_OPERATORS else None


def _check_attribute(found: Field, seen: Seen, warn: Warn) -> None:
    name = str(found.path[-1]).partition(".")[0]
    if found.path[-1] == DATA and found.value is None:
        what = "data has nothing under it: that matches a payload that is null, and no other"
        warn(found.path, what, "indent what belongs under it; if null is meant, write `data: [null]`")
    if (doubt := doubt_of(name, seen, f"`data: {{{name}: …}}`")) is not None:
        warn(found.path, *doubt)


def doubt_of(name: str, seen: Seen, below: str) -> tuple[str, str] | None:
    """What is doubtful about an attribute that a rule asks for, and what to do; None for nothing.

    Args:
        name: the attribute's; lower-case letters and digits.
        seen: by the rule's tests.
        below: how a field of the payload of this name would be written.
    """
    if name in SPEC_ATTRIBUTES or name == DATA or name in seen.attributes or name in EXTENSIONS:
        return None
    hint = f"fields of the payload stand under data: {below}"
    if name in seen.fields:
        what = f"{name!r} is an attribute here, and no event in the rule's tests has it but in its payload"
        return what, hint
    near = next((known for known in OFTEN_MEANT if is_slip(name, known)), None)
    if near is None or len(name) < SHORTEST:
        return None
    what = f"CloudEvents has no attribute {name!r}; it would be an extension"
    return what, f"did you mean {near}? If not, let an event in the rule's tests have it; {hint}"


def is_slip(written: str, meant: str) -> bool:
    """Whether one slip makes `written` of `meant`: a character too many, too few, another, or two swapped.

    Another first character, or one more in front, makes another word: `uid` is not `id`.
    """
    without_one = {written[:at] + written[at + 1 :] for at in range(1, len(written))}
    if meant in without_one or written in {meant[:at] + meant[at + 1 :] for at in range(len(meant))}:
        return True
    differing = [at for at, pair in enumerate(zip(written, meant, strict=False)) if pair[0] != pair[1]]
    if len(written) != len(meant) or not differing:
        return False
    first, last = differing[0], differing[-1]
    return 0 < first == last or (
        last == first + 1 and written[first : last + 1] == meant[last] + meant[first]
    )


# Texts.


def _check_star(said: Text, warn: Warn) -> None:
    if "*" not in said.text:
        return
    quoted = json.dumps(said.text, ensure_ascii=False)
    operator = _operator_of(said)
    if not operator:
        if said.field not in GLOBBED:
            what = f"the * in {said.text!r} is a star here, and nothing else"
            hint = f"for any run of characters write {{wildcard: {quoted}}}; if the star is meant, "
            warn(said.path, what, f"{hint}{{exactly: {quoted}}}")
    elif operator == "anything-but":
        what = f"the * in {said.text!r} is a star here: every text matches but this very one"
        warn(said.path, what, f"for any run of characters write {{anything-but: {{wildcard: {quoted}}}}}")
    elif operator in _ENDS:
        what = f"the * in {said.text!r} is a star in {operator}"
        rest = _ENDS[operator](said.text, "*")
        hint = f"write {{wildcard: {quoted}}}"
        warn(
            said.path, what, hint if "*" in rest else f"leave it out: any text may stand there in {operator}"
        )
    elif operator == "equals-ignore-case":
        what = f"the * in {said.text!r} is a star in equals-ignore-case"
        warn(said.path, what, "write {prefix: {equals-ignore-case: …}} or {suffix: {equals-ignore-case: …}}")


def _operator_of(said: Text) -> str:
    """The operator that decides where the text stands in the value."""
    *outer, last = said.operators or ("",)
    return outer[-1] if last == "equals-ignore-case" and outer and outer[-1] in _ENDS else last


def _check_regex(said: Text, warn: Warn) -> None:
    if said.operators or said.field not in GLOBBED:
        return
    text = said.text
    between = _BETWEEN_SLASHES.match(text) is not None
    if between and said.field != "type":  # /cameras/ is a sound source
        between = _MORE_THAN_A_PATH.search(text) is not None
    if between or _REGEX.search(text):
        what = f"{text!r} looks like a regular expression, and there are none"
        hint = (
            "* stands for any run of characters, all else for itself; {wildcard: …} says that it is meant so"
        )
        warn(said.path, what, hint)


def _check_word(said: Text, seen: Seen, warn: Warn) -> None:
    if said.operators in _WHOLE and "*" not in said.text:  # of a star there is enough to say already
        word = said.text.lower() if "equals-ignore-case" in said.operators else said.text
        if (doubt := unknown_word(said.field, word, seen)) is not None:
            warn(said.path, *doubt)


def unknown_word(attribute: str, word: str, seen: Seen) -> tuple[str, str] | None:
    """What is doubtful about a word that an attribute is compared with; None for nothing."""
    doubt = doubt_of_word(attribute, word)
    if doubt is None or (attribute, word.lower()) in seen.words:
        return None
    own = "if a sender of your own writes it, let such an event in the rule's tests have it"
    return doubt[0], f"{doubt[1]} {own[0].upper()}{own[1:]}" if doubt[1] else own


def _check_boolean(said: Text, warn: Warn) -> None:
    meant = _BOOLEANS.get(said.text.lower())
    if meant is not None and said.field == DATA and not said.operators:
        what = f"{said.text} is a text here: the booleans are true and false"
        warn(said.path, what, f'write {meant}; if the text is meant, put it in quotes: "{said.text}"')
