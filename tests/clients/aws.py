"""A router with a source `aws`, and AWS's clients beside it, each as its user would run it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.clients.environments import client
from tests.process import RouterProcess

KEY, SECRET = "AKIAROUTERTEST", "s3cret-of-the-test"
OLD = {"id": "AKIAOLD", "secret": "the-one-before"}


def write(folder: Path, settings: Mapping[str, Any] | None = None, **source: Any) -> Path:
    """A deployment whose events all arrive in a file."""
    keys = [OLD, {"id": KEY, "secret": SECRET}]
    deployment = {
        "sources": {"aws": {"kind": "aws", "keys": keys, **source}},
        "rules": [{"name": "all", "match": {"type": "*"}, "targets": ["arrived"]}],
        "targets": {"arrived": {"file": {"path": "arrived.jsonl"}}},
        "settings": dict(settings or {}),
    }
    file = folder / "router.yml"
    file.write_text(json.dumps(deployment))
    return file


def started(folder: Path, settings: Mapping[str, Any] | None = None, **source: Any) -> RouterProcess:
    return RouterProcess([write(folder, settings, **source)], folder / "data")


def arrived(folder: Path) -> list[dict[str, Any]]:
    """The events of a router that has ended, in their order."""
    file = folder / "data" / "arrived.jsonl"
    return [json.loads(line)["event"] for line in file.read_text().splitlines()] if file.exists() else []


def environ(**more: str) -> dict[str, str]:
    """An environment that knows one key, and nothing of the machine's own AWS."""
    own = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **own, **more}


def begin(script: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Run a Python script where boto3 is."""
    python = client("aws") / "bin" / "python"
    return subprocess.Popen(
        [python, "-c", script, *arguments],
        env=environ(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script: str, *arguments: str, **more: str) -> Any:
    """What a script prints as JSON."""
    return ended(begin(script, *arguments, **more))


def ended(process: subprocess.Popen[str]) -> Any:
    """What a script has printed as JSON."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return json.loads(output)
