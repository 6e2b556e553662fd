"""What is compiled, where a C compiler is at hand when the router is installed.

These are modules that every event goes through. Cython compiles them as they stand (`hatch_build.py`), those
with a `.pxd` beside them to what C can do with the types it names; otherwise they are interpreted, and give
the same answers.

What was compiled counts for the very sources it was made of, as hash-based `.pyc` files do (PEP 552): where
the sources are worked on, or another version of them is checked out, nothing old is run in their place.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

MODULES = (
    "duplicates.window",
    "events.modesty",
    *(
        f"patterns.index.{name}"
        for name in ("finders", "found", "lookup", "matcher", "numbers", "scan", "strings", "wildcards")
    ),
)
"""Their names below `router`. Each one's package looks into its `place` before it looks at the sources."""

LONG = 4_000
"""Characters, in which to look for one part takes as long as to let others have their turn."""

_HERE = Path(__file__).parent


def sources(module: str) -> list[Path]:
    """What a module is compiled from: its source, and the types of its variables, if it is told any."""
    source = _HERE.joinpath(*module.split(".")).with_suffix(".py")
    return [file for file in (source, source.with_suffix(".pxd")) if file.exists()]  # or only .pyc is


def place(package: str) -> Path:
    """The folder for what is compiled of a package, whether or not it is there.

    Args:
        package: its full name.
    """
    return _HERE.joinpath("__compiled__", _digest(), *package.split(".")[1:])


def extensions() -> list[Path]:
    """Where the compiled modules are to be for this interpreter and the sources as they are now."""
    parts = (f"router.{module}".rpartition(".") for module in MODULES)
    return [place(package) / f"{name}{EXTENSION_SUFFIXES[0]}" for package, _, name in parts]


def is_compiled() -> bool:
    """Whether this interpreter finds all of them."""
    return all(extension.exists() for extension in extensions())


def breathe() -> bool:
    """False. Lets signals and other threads have their turn: what is compiled does so at such calls only.

    CPython looks after them where a function of its own begins: called from C, too.
    """
    return False


@cache
def _digest() -> str:
    told = sha256()
    for module in MODULES:
        for source in sources(module):
            told.update(source.read_bytes())
    return told.hexdigest()[:16]
