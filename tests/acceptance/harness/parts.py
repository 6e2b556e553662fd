"""Parts of the machine that some faults need."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest


def needed(*patterns: str) -> Sequence[str]:
    """The files of these patterns. Where one is missing, the fault is left out; in CI it fails.

    They are in Debian's packages faketime, fiu-utils and libfiu0, and nothing of them is needed by a router.
    """
    found = []
    for pattern in patterns:
        files = sorted(map(str, Path("/").glob(pattern.lstrip("/"))))
        if not files:
            what = f"{pattern} is not here: apt-get install faketime fiu-utils libfiu0"
            if os.environ.get("CI") == "true":
                raise AssertionError(what)
            pytest.skip(what)
        found.append(files[0])
    return found
