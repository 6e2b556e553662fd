"""How fast the disk is: no store that fsyncs can answer sooner."""

from __future__ import annotations

import os
import time
from pathlib import Path

_WRITES = 200
_BLOCK = bytes(4_096)


def fdatasync(folder: Path) -> list[float]:
    """Seconds that each of some small appends takes until it is on disk."""
    path = folder / "fdatasync"
    taken = []
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(_WRITES):
            began = time.perf_counter()
            os.write(handle, _BLOCK)
            os.fdatasync(handle)
            taken.append(time.perf_counter() - began)
    finally:
        os.close(handle)
        path.unlink()
    return taken
