"""What of the index is compiled, where a C compiler is at hand when the router is installed.

These are the modules that every event goes through. Cython compiles them as they stand (`hatch_build.py`),
which takes a fifth off what matching costs; otherwise they are interpreted, and give the same answers.

What was compiled counts for the very sources it was made of, as hash-based `.pyc` files do (PEP 552): where
the sources are worked on, or another version of them is checked out, nothing old is run in their place.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

MODULES = ("finders", "found", "lookup", "matcher", "numbers", "scan", "strings", "wildcards")

LONG = 4_000
"""Characters, in which to look for one part takes as long as to let others have their turn."""

_INDEX = Path(__file__).parent


def place() -> Path:
    """The folder for what is compiled of the sources as they are now, whether or not it is there."""
    sources = (_INDEX / f"{name}.py" for name in MODULES)
    digest = sha256(b"".join(source.read_bytes() for source in sources if source.exists()))  # or only .pyc is
    return _INDEX / "__compiled__" / digest.hexdigest()[:16]


def extensions() -> list[Path]:
    """Where the compiled modules are to be for this interpreter."""
    folder = place()
    return [folder / f"{name}{EXTENSION_SUFFIXES[0]}" for name in MODULES]


def is_compiled() -> bool:
    """Whether this interpreter finds all of them."""
    return all(extension.exists() for extension in extensions())


def breathe() -> bool:
    """False. Lets signals and other threads have their turn: what is compiled does so at such calls only.

    CPython looks after them where a function of its own begins: called from C, too.
    """
    return False
