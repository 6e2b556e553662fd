"""The command `router`, which `python -m router` is, too."""

from __future__ import annotations

import gc
import os
import sys

from router.cli import main as command

_STANDARD = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def main() -> None:
    """Run the command."""
    _stand_in()
    gc.disable()  # until the subcommand is imported: modules stay; to search them was a quarter of a start
    command()


def _stand_in() -> None:
    """Have /dev/null where a standard stream is closed (`<&-`, some supervisors).

    Else the first file or socket that is opened gets its number, and libuv aborts when that one is closed.
    """
    for number, (name, mode) in enumerate(_STANDARD):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
            setattr(
                sys, name, os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)
            )


if __name__ == "__main__":
    main()
