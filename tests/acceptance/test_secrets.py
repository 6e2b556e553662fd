"""Secrets in files take one another's place while the router runs, and nothing has to be stopped."""

from __future__ import annotations

import json
from pathlib import Path

from tests.client import request
from tests.process import RouterProcess

EVENT = b'{"specversion": "1.0", "id": "1", "source": "/tests", "type": "test.event"}'


def status(router: RouterProcess, token: str) -> int:
    fields = {"content-type": "application/cloudevents+json", "authorization": f"Bearer {token}"}
    return request("POST", f"{router.url}/events", EVENT, fields).status


def test_a_secret_that_changes_in_its_file_counts_from_then_on(tmp_path: Path) -> None:
    secret = tmp_path / "secrets" / "token"
    secret.parent.mkdir()
    secret.write_text("first")
    folder = tmp_path / "deployment"
    folder.mkdir()
    sources = {"events": {"kind": "cloudevents", "tokens": [{"file": str(secret)}]}}
    (folder / "router.yml").write_text(json.dumps({"sources": sources}))
    with RouterProcess([folder], tmp_path / "data") as router:
        assert (status(router, "first"), status(router, "second")) == (202, 401)
        secret.write_text("second")
        router.wait_for_log("router.reloaded")
        assert (status(router, "first"), status(router, "second")) == (401, 202)
        secret.unlink()
        assert "cannot be read" in router.wait_for_log("reload.refused")["error"]
        assert status(router, "second") == 202  # the old configuration runs on
        secret.write_text("third")
        router.wait_for_log("router.reloaded", count=2)
        assert (status(router, "second"), status(router, "third")) == (401, 202)
