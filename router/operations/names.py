"""Names of targets and rules as operators type them."""

from __future__ import annotations

from collections.abc import Iterable

from router.config.problems import did_you_mean
from router.operations.errors import NotThereError


def check_known(what: str, name: str | None, known: Iterable[str]) -> None:
    """Let pass a name that there is; None is no name.

    Args:
        what: `rule` or `target`.
        name: as it was typed.
        known: those there are.

    Raises:
        NotThereError: there is none of this name; with the one that was probably meant.
    """
    every = list(dict.fromkeys(known))
    if name is not None and name not in every:
        hint = did_you_mean(name, every) or f"there is: {', '.join(every) or 'none'}"
        raise NotThereError(f"there is no {what} {name[:100]!r}; {hint}")
