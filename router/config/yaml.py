"""YAML as people mean it, with the place of every key and value.

PyYAML's composer gives the tree of nodes; the values are made here, not by its constructor. Only
`true`, `false`, `null` (and nothing at all, which is null), plain JSON numbers and strings exist:
`no`, `on`, `012`, `1_000`, `0x1F`, `1:30`, `~` and dates stay the text that was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, NamedTuple

import yaml

from router.config.problems import Path, Problem
from router.config.syntax import UNPRINTABLE, explain

DEPTH = 100
"""How deep a file may nest. libyaml's composer recurses on the C stack: without a bound, a file kills us."""

REPEATED_NODES = 10_000
"""How many nodes of a file may come from aliases: a bomb is refused, a shared block is not."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")  # RFC 8259, section 6
_WORDS = {"": None, "null": None, "true": True, "false": False}
_PLAIN, _QUOTED, _LIST, _MAPPING = "plain", "quoted", "list", "mapping"


class Mark(NamedTuple):
    """Where something is written: line and column, both from 1.

    Attributes:
        inner: columns from here to the first character of a text that stands in one line exactly as it
            reads (1 behind a quote); None for everything else.
        indent: of a block text (`|`), columns before its lines, which stand below as they read.
        quoted: of a text in one line that has escapes, what is written between its quotes, the first one
            included.
    """

    line: int
    column: int
    inner: int | None = None
    indent: int | None = None
    quoted: str = ""


_CHARACTERS = {
    "'": re.compile(r"''|."),
    '"': re.compile(r"\\(?:x..|u.{4}|U.{8}|.)|."),
}
"""By the quote: how each character of a text is written (YAML 1.2, productions 62 and 119)."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file, read.

    Attributes:
        file: its name, as problems show it.
        value: dicts, lists, strings, ints, floats, Decimals, booleans and None; None for an empty file.
        keys: path of an entry → where its key is written.
        values: path of a value → where it begins.
        broken: paths of values that could not be read whole; what they seem to lack is no news.
    """

    file: str
    value: Any
    keys: Mapping[Path, Mark]
    values: Mapping[Path, Mark]
    broken: AbstractSet[Path] = frozenset()

    def at(self, path: Path) -> Any:
        """The value at a path.

        Raises:
            LookupError: there is none.
        """
        found = self.value
        for step in path:
            found = found[step]
        return found

    def place(self, path: Path, *, key: bool = False, offset: int | None = None) -> Mark:
        """Where `path` is written; the nearest enclosing place, if it is not written at all.

        Args:
            path: keys and indexes from the document's root.
            key: point at the entry's key instead of its value.
            offset: point at this character of the text that stands there, if it can be found.
        """
        for end in range(len(path), -1, -1):
            nearest = path[:end]
            mark = (self.keys.get(nearest) if key and end == len(path) else None) or self.values.get(nearest)
            if mark is not None:
                return mark if offset is None or nearest != path else self._inside(mark, path, offset)
        return Mark(1, 1)

    def _inside(self, mark: Mark, path: Path, offset: int) -> Mark:
        """A character of a text, if it can be found; else where the text begins."""
        if mark.inner is not None:
            return Mark(mark.line, mark.column + mark.inner + offset)
        if mark.quoted:
            before = islice(_CHARACTERS[mark.quoted[0]].finditer(mark.quoted, 1), offset)
            return Mark(mark.line, mark.column + 1 + sum(len(found.group()) for found in before))
        if mark.indent is None:
            return mark
        lines = self.at(path)[:offset].split("\n")
        return Mark(mark.line + len(lines), mark.indent + len(lines[-1]) + 1)


def number(text: str) -> int | float | Decimal:
    """The value of a JSON number, exactly: a Decimal where no float has this shortest spelling.

    >>> number("300"), number("0.1"), number("0.12345678901234567890")
    (300, 0.1, Decimal('0.12345678901234567890'))

    Raises:
        ValueError: it has more digits than any number here may have.
    """
    try:
        if "." not in text and "e" not in text and "E" not in text:
            return int(text)
        exact = Decimal(text)
    except (ValueError, InvalidOperation):
        raise ValueError("this number is too large") from None
    rounded = float(text)
    return rounded if Decimal(repr(rounded)) == exact else exact


def read(content: bytes, file: str) -> tuple[Document, list[Problem]]:
    """Read one YAML file. With problems, what could be understood of it is still returned.

    Args:
        content: UTF-8, with or without a byte-order mark.
        file: the name under which problems report it.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        return _broken(file, before, len(before), "this is not UTF-8", "save the file as UTF-8")
    if (bad := UNPRINTABLE.search(text)) is not None:
        what = f"the character U+{ord(bad.group()):04X} cannot stand in YAML"
        return _broken(file, text, bad.start(), what, 'in double quotes, write it as an escape: "\\u0000"')
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        place, message, hint = explain(error, text)
        return Document(file, None, {}, {}), [Problem.at(file, place, "yaml", message, hint)]
    finally:
        loader.dispose()
    builder = _Builder(file, text)
    value = None if root is None else builder.root(root)
    return Document(file, value, builder.keys, builder.values, builder.broken), builder.problems


def _broken(file: str, text: str, index: int, message: str, hint: str) -> tuple[Document, list[Problem]]:
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    return Document(file, None, {}, {}), [Problem.at(file, (line, column), "yaml", message, hint)]


class _Composing:
    """What is ours in the composer: plain and quoted text are told apart, and the depth is bounded.

    A node whose tag is none of the four words carries one that somebody wrote.
    """

    depth = 0

    def resolve(self, kind: type[yaml.Node], _value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _QUOTED
        return _LIST if kind is yaml.SequenceNode else _MAPPING

    def descend_resolver(self, node: yaml.Node | None, _index: Any) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            mark = None if node is None else node.start_mark
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {DEPTH} levels", mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1


def loader_on(base: type) -> Any:
    """A loader that composes our way, on one of PyYAML's: libyaml's, or its own where that is missing."""
    return type("Loader", (_Composing, base), {})


_Loader = loader_on(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class _Builder:
    """Makes the value of a tree of nodes and writes down where everything stands."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._lines = text.splitlines()
        self.keys: dict[Path, Mark] = {}
        self.values: dict[Path, Mark] = {}
        self.broken: set[Path] = set()
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._built: set[int] = set()
        self._repeated = 0

    def root(self, node: yaml.Node) -> Any:
        try:
            return self._value(node, ())
        except _AliasBombError as error:
            what = f"aliases repeat more than {REPEATED_NODES:,} values of this file"
            self._problem(error.node, "alias", what, "write fewer of them, or write the values out", ())
            return None

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self.values[path] = _mark(node)._replace(indent=self._indent(node), quoted=self._quoted(node))
        self._count(node)
        if node.tag == _PLAIN:
            return self._plain(node, path)
        if node.tag == _QUOTED:
            return node.value
        if node.tag in {_LIST, _MAPPING}:
            return self._collection(node, path)
        hint = "put the text in quotes" if isinstance(node, yaml.ScalarNode) else "leave it out"
        self._problem(node, "tag", f"tags such as {_shown(node.tag)!r} mean nothing here", hint, path)
        return None

    def _indent(self, node: yaml.Node) -> int | None:
        """Columns before the lines of a block text; None for everything else."""
        if not isinstance(node, yaml.ScalarNode) or node.style != "|":
            return None
        below = self._lines[node.start_mark.line + 1 :]
        for line, written in zip(node.value.split("\n"), below, strict=False):
            if line:
                return len(written) - len(line) if written.endswith(line) else None
        return None

    def _quoted(self, node: yaml.Node) -> str:
        """What is written between quotes in one line, with the first of them; "" where that is no news."""
        start, end = node.start_mark, node.end_mark
        if node.tag != _QUOTED or start.line != end.line or start.line >= len(self._lines):
            return ""
        written = self._lines[start.line][start.column : end.column - 1]
        return written if written[:1] in _CHARACTERS and written[1:] != node.value else ""

    def _count(self, node: yaml.Node) -> None:
        """Count what aliases repeat."""
        me = id(node)
        if me in self._built:
            self._repeated += 1
            if self._repeated > REPEATED_NODES:
                raise _AliasBombError(node)
        self._built.add(me)

    def _collection(self, node: yaml.Node, path: Path) -> Any:
        me = id(node)
        if me in self._open:
            what = "an alias cannot stand inside the value it repeats"
            self._problem(node, "alias", what, "write the value out", path)
            return None
        self._open.add(me)
        try:
            if node.tag == _MAPPING:
                return self._mapping(node, path)
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.discard(me)

    def _plain(self, node: yaml.Node, path: Path) -> Any:
        text: str = node.value
        if text in _WORDS:
            return _WORDS[text]
        if _NUMBER.match(text):
            try:
                return number(text)
            except ValueError as error:
                self._problem(node, "number", str(error), "put it in quotes if it is a text", path)
                return None
        return text

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in made:
                first = self.keys[(*path, key)]
                what = f"the key {key!r} is written twice"
                hint = f"the first one is in line {first.line}"
                self._problem(key_node, "duplicate-key", what, hint, (*path, key))
                continue
            self.keys[(*path, key)] = _mark(key_node)
            made[key] = self._value(value_node, (*path, key))
        return made

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag in {_PLAIN, _QUOTED}:
            text: str = node.value
            if node.tag == _QUOTED:
                return text
            if text == "<<":
                hint = "repeat a whole value by an alias, or write the keys out"
                self._problem(node, "merge-key", "merge keys (<<) are not read here", hint, path)
                return None
            if text not in _WORDS and not _NUMBER.match(text):
                return text
            what = f"a key is a text, and {text or 'nothing'} is none"
            self._problem(node, "key", what, f'write "{text}"', path)
            return None
        hint = "put a text that begins with {{, { or [ in quotes"
        self._problem(node, "key", "a key is a text", hint, path)
        return None

    def _problem(self, node: yaml.Node, code: str, message: str, hint: str, broken: Path) -> None:
        self.broken.add(broken)
        self.problems.append(Problem.at(self.file, _mark(node), code, message, hint))


class _AliasBombError(Exception):
    def __init__(self, node: yaml.Node) -> None:
        super().__init__()
        self.node = node


def _mark(node: yaml.Node) -> Mark:
    start, end = node.start_mark, node.end_mark
    inner = None
    if isinstance(node, yaml.ScalarNode) and start.line == end.line:
        quotes = end.column - start.column - len(node.value)
        if node.style in {"'", '"'}:
            inner = 1 if quotes == 2 else None  # noqa: PLR2004 -- one on each side, no escapes between
        elif quotes == 0:
            inner = 0
    return Mark(start.line + 1, start.column + 1, inner)


def _shown(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
