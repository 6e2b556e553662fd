"""What tests of the client for plain HTTP share."""

from __future__ import annotations

import pytest


@pytest.fixture(
    params=[("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})], ids=["uvloop", "asyncio"]
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops."""
    backend: tuple[str, dict[str, bool]] = request.param
    return backend
