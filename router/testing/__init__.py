"""What every kind of target and of source must do, as tests that a package runs on its own kinds.

Needs the extra `testing` (pytest and Hypothesis). The router's own kinds run the same tests.

- `router.testing.targets`: subclass `TargetContract`, and give it a `Bench`.
- `router.testing.sources`: subclass `SourceContract`, and give it a `Sender`.
"""

from __future__ import annotations

import pytest

# Before anybody imports them: then a failure shows what was compared.
pytest.register_assert_rewrite("router.testing.targets", "router.testing.sources")
