"""A small real disk, to be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BALLAST = "ballast"


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A tmpfs of this size. Who cannot become root to mount one skips the test; CI never does."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    folder.mkdir()
    mount = [*as_root, "mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"a small disk cannot be mounted here (are you root?): {error}")
    try:
        yield folder
    finally:
        subprocess.run([*as_root, "umount", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / BALLAST).open("wb", buffering=0) as ballast:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                continue


def leave(disk: Path, size: int) -> None:
    """Give some bytes back."""
    os.truncate(disk / BALLAST, (disk / BALLAST).stat().st_size - size)


def make_space(disk: Path) -> None:
    """Give all of them back."""
    (disk / BALLAST).unlink()
