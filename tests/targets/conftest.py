"""What tests of targets share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB. Who cannot become root to mount one skips the test; CI never does."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = [*as_root, "mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "tmpfs", str(folder)]
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
