"""What is wrong with a configuration: where, what, and what to do about it."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from router.errors import ConfigurationError

Path = tuple[str | int, ...]
"""Keys and indexes from a document's root."""


class Severity(enum.StrEnum):
    """Whether the router may run with it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of the configuration.

    Attributes:
        line: from 1; 0 where the fault has no place in the file (a file that is missing).
        column: from 1, in characters.
        code: a word for programs, such as `unknown-key`.
        hint: what to do about it; "" where the message says enough.
    """

    file: str
    line: int
    column: int
    severity: Severity
    code: str
    message: str
    hint: str = ""

    @classmethod
    def at(
        cls,
        file: str,
        place: Sequence[Any],
        code: str,
        message: str,
        hint: str = "",
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        """A problem at a mark, or any other sequence that begins with line and column."""
        return cls(file, place[0], place[1], severity, code, message, hint)

    def __str__(self) -> str:
        """As compilers print it, so that editors find the place."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        told = f"{self.message.removesuffix('.')}; {self.hint}" if self.hint else self.message
        return f"{place}: {self.severity}: {told}"

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


class ConfigurationProblems(ConfigurationError):  # noqa: N818 -- it is many
    """Everything that is wrong with a configuration.

    Attributes:
        problems: sorted by file, line and column.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the word somebody probably meant; "" if nothing is near.

    >>> did_you_mean("audt", ["audit", "console"])
    "did you mean 'audit'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.65)
    return f"did you mean {near[0]!r}?" if near else ""
