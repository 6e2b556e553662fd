"""`python -m tests.audit --long`: a hundred SIGKILLs, and what the audit files hold afterwards."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.audit.kills import run


def main() -> int:
    kills = 100 if "--long" in sys.argv[1:] else 10
    with tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder), kills, seed=20_261_122, told=lambda line: print(line, flush=True))  # noqa: T201 -- it is a command
    print(result)  # noqa: T201 -- it is a command
    found = (result.chained, result.plain)
    is_whole = not any(one.missing or one.doubled or one.disordered for one in found)
    return 0 if is_whole and result.verdict.fault is None else 1


if __name__ == "__main__":
    sys.exit(main())
