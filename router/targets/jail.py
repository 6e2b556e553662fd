"""Opens files below a folder, and never anywhere else: no step on the way may be a symbolic link.

Steps are taken one by one, from descriptor to descriptor, so that nobody can slip a link in between.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path, PurePath
from typing import Final

from router.errors import ConfigurationError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY


_STORE: Final = re.compile(r"(?:lock|events|deliveries\.sqlite.*|api\.json.*)\Z", re.DOTALL | re.IGNORECASE)
"""What the router keeps in the data folder; a file system may take upper and lower case for the same."""


class JailError(ConfigurationError):
    """A path leads, or could lead, out of the data folder."""


def is_taken(name: str) -> bool:
    """Whether a name directly in the data folder is the store's."""
    return _STORE.match(name) is not None


def enter(jail: Path, path: PurePath) -> int:
    """A descriptor of the folder `path` below `jail`; what is missing of it is made.

    Args:
        jail: must exist; it may itself be reached by links.
        path: of names only, no `..`.

    Raises:
        JailError: a step is a symbolic link.
        OSError: a step cannot be taken.
    """
    current = os.open(jail, _FOLDER | os.O_CLOEXEC)
    for name in path.parts:
        above = current
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o750, dir_fd=above)
                os.fsync(above)  # the new folder's name must survive a crash, too
            current = open_in(above, name, _FOLDER)
        finally:
            os.close(above)
    return current


def open_in(folder: int, name: str, flags: int) -> int:
    """Open `name` in the folder behind a descriptor.

    Raises:
        JailError: it is a symbolic link.
        OSError: it cannot be opened.
    """
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640, dir_fd=folder)
    except OSError:
        if _is_link(folder, name):
            raise JailError(
                f"{name} is a symbolic link, and below the data folder none is followed; replace it"
            ) from None
        raise


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
