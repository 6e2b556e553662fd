"""What PyYAML says about a text that is not YAML, for people."""

from __future__ import annotations

import contextlib
import re

import yaml

UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7E\x85\xA0-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
"""YAML 1.1, section 4.1.1: the characters that cannot stand in a stream."""

_WORDS = {
    "but found another document": (
        "a file holds one document, and here begins another",
        "remove the line ---, or make two files of it",
    ),
    "mapping values are not allowed in this context": (
        "a second ':' in one value",
        "put a text that holds ': ' in quotes, or check the indentation",
    ),
    "did not find expected '-' indicator": ("a list goes on here without '-'", "check the indentation"),
    "did not find expected key": ("a key should stand here", "check the indentation and the quotes"),
    "could not find expected ':'": ("a key without its ':'", "write key: value"),
    "did not find expected ',' or ']'": ("this list is not closed", "a ',' or a ']' is missing"),
    "did not find expected ',' or '}'": ("this mapping is not closed", "a ',' or a '}' is missing"),
    "did not find expected node content": (
        "a value is missing here",
        "write it, or remove the ',' before it",
    ),
    "did not find expected alphabetic or numeric character": (
        "in YAML, '*' and '&' at the beginning of a value mean an alias",
        "put a text that begins with * or & in quotes",
    ),
    "found undefined alias": (
        "in YAML, '*' at the beginning of a value means an alias, and this one is not defined",
        "put a text that begins with * in quotes",
    ),
    "found unexpected end of stream": ("a quote is not closed", "close it with the quote it began with"),
    "found unknown escape character": (
        "in double quotes, a backslash begins an escape, and this one means nothing",
        "use single quotes, or write the backslash twice",
    ),
    "found invalid Unicode character escape code": (
        "this escape is no character",
        "write the character itself",
    ),
}

_NO_BEGINNING = "found character that cannot start any token"

_UNCLOSED = {
    yaml.FlowMappingStartToken: "did not find expected ',' or '}'",
    yaml.FlowSequenceStartToken: "did not find expected ',' or ']'",
}
"""What opens, and what is said where it is not closed."""

_CLOSING = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)

_PYTHON_WORDING = {
    "expected the node content, but found": "did not find expected node content",
    "expected ',' or ']', but got": "did not find expected ',' or ']'",
    "expected ',' or '}', but got": "did not find expected ',' or '}'",
    "expected alphabetic or numeric character, but found": (
        "did not find expected alphabetic or numeric character"
    ),
    "expected <block end>, but found": "did not find expected key",
    "mapping values are not allowed here": "mapping values are not allowed in this context",
    "found undefined alias": "found undefined alias",
    "found character": _NO_BEGINNING,
    "found unknown escape character": "found unknown escape character",
}
"""PyYAML's own parser words some faults differently from libyaml's."""


def explain(error: yaml.YAMLError, text: str) -> tuple[tuple[int, int], str, str]:
    """Place (line and column, from 1), message and hint of a syntax error in `text`."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return (1, 1), f"this is not YAML: {error}", ""
    said = _as_libyaml(error.problem or "it cannot be read")
    lines = text.split("\n")
    mark = error.problem_mark or error.context_mark
    if (
        mark is not None
        and error.context_mark is not None
        and not "".join(lines[mark.line :])[mark.column :].strip()
    ):
        mark = error.context_mark  # what is not closed is found missing at the end of the file
        if (opened := _left_open(text)) is not None and said not in _UNCLOSED.values():
            mark, said = opened.start_mark, _UNCLOSED[type(opened)]
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    here = lines[line][column : column + 1] if line < len(lines) else ""
    place = (line + 1, column + 1)
    if here == "\t":
        return place, "a tab cannot stand here", "indent with spaces"
    if said == _NO_BEGINNING:
        return place, f"a value cannot begin with {here!r}", "put the text in quotes"
    message, hint = _WORDS.get(said, (f"this is not YAML: {said}", ""))
    if said in _UNCLOSED.values() and (begun := error.context_mark) is not None and begun.line < line:
        # Whoever forgot the bracket did so above: there it opens.
        return (begun.line + 1, begun.column + 1), f"{message}: line {line + 1} is no part of it", hint
    return place, message, hint


def _left_open(text: str) -> yaml.Token | None:
    """The innermost bracket that is still open at the end of a text."""
    opened: list[yaml.Token] = []
    with contextlib.suppress(yaml.YAMLError):
        for token in yaml.scan(text, yaml.SafeLoader):
            if type(token) in _UNCLOSED:
                opened.append(token)
            elif isinstance(token, _CLOSING) and opened:
                opened.pop()
    return opened[-1] if opened else None


def _as_libyaml(said: str) -> str:
    for beginning, wording in _PYTHON_WORDING.items():
        if said.startswith(beginning):
            return wording
    return said
