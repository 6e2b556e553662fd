"""The shipped examples: `rules/` and `targets/` of the repository, carried in the wheel as package data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import router


@contextlib.contextmanager
def examples() -> Iterator[Path]:
    """A deployment folder with the shipped rules and targets."""
    packaged = resources.files(router) / "examples"
    if packaged.is_dir():
        with resources.as_file(packaged) as folder:
            yield folder
    else:
        yield Path(router.__file__).parent.parent  # an editable install: the repository is a deployment
