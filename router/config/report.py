"""Collects every problem of every file, so that a person mends them in one go."""

from __future__ import annotations

from collections.abc import Iterable

from router.config.problems import ConfigurationProblems, Path, Problem, Severity
from router.config.yaml import Document


class Report:
    """The problems found so far."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._lost: set[str] = set()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them, each once, by file, line and column."""
        return tuple(sorted(set(self._found)))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Those that keep the router from running."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def lost(self) -> frozenset[str]:
        """Sections, such as `targets`, that could not be read whole: what they seem to lack is no news."""
        return frozenset(self._lost)

    def lose(self, *sections: str) -> None:
        """Take note that these sections are not known whole."""
        self._lost.update(sections)

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems that know their places already."""
        self._found.extend(problems)

    def add(
        self,
        document: Document,
        path: Path,
        code: str,
        message: str,
        hint: str = "",
        *,
        key: bool = False,
        offset: int | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Add a problem at a path of a document (`Document.place` says where that is).

        Nothing is added where the value itself could not be read: that is reported already.
        """
        if path in document.broken:
            return
        mark = document.place(path, key=key, offset=offset)
        self._found.append(Problem.at(document.file, mark, code, message, hint, severity))

    def raise_for_errors(self) -> None:
        """Let nobody go on with a broken configuration.

        Raises:
            ConfigurationProblems: there are errors; it carries the warnings too.
        """
        if self.errors:
            raise ConfigurationProblems(self.problems)
