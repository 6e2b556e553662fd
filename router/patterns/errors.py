"""What is wrong with a pattern, and where."""

from __future__ import annotations

from router.errors import ConfigurationError

Path = tuple[str | int, ...]
"""Keys and indexes from the pattern's root to a value in it."""

_LONGEST_SOURCE = 500


class PatternError(ConfigurationError):
    """The event pattern is not valid.

    Attributes:
        reason: what is wrong, in Amazon EventBridge's words where it has words for it.
        path: the keys and indexes that lead to the value at fault.
        hint: what to write instead; None where the reason says it all.
        offset: the place in the JSON text, in characters from its start; None for a mapping.
        line, column: the same place, both counted from 1.
        others: the further problems of the same rule (`parse_rule` finds all of them).
    """

    def __init__(
        self,
        reason: str,
        path: Path = (),
        *,
        hint: str | None = None,
        offset: int | None = None,
        source: str | None = None,
        others: tuple[PatternError, ...] = (),
    ) -> None:
        self.reason = reason
        self.path = path
        self.hint = hint
        self.offset = offset
        self.line: int | None = None
        self.column: int | None = None
        self.others = others
        where = f"\n at {written(path)}" if path else ""
        if source is not None and offset is not None:
            self.line = source.count("\n", 0, offset) + 1
            self.column = offset - source.rfind("\n", 0, offset)
            where = f"\n at [Source: (String){_excerpt(source)}; line: {self.line}, column: {self.column}]"
        message = f"Event pattern is not valid. Reason: {reason}{where}"
        super().__init__(message.encode("utf-8", "backslashreplace").decode())  # lone surrogates

    def within(self, source: str) -> PatternError:
        """The same error with its line and column in the JSON text it was found in."""
        return PatternError(self.reason, self.path, hint=self.hint, offset=self.offset, source=source)


def written(path: Path) -> str:
    """A path as a person writes it.

    >>> written(("data", "Suggestion", 0, "prefix"))
    'data.Suggestion[0].prefix'
    """
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _excerpt(source: str) -> str:
    """The text as EventBridge quotes it: the first 500 characters, and how many are left out."""
    left_out = len(source) - _LONGEST_SOURCE
    return f'"{source[:_LONGEST_SOURCE]}"' + (f"[truncated {left_out} chars]" if left_out > 0 else "")
