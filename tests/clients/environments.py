"""The clouds' own clients, each in an environment of its own: some of them cannot share one.

`python -m tests.clients.environments` makes those that are missing, below `.clients/`; with names after it,
only these. They come from PyPI and, for JavaScript, from the npm registry.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2] / ".clients"

PYTHON = {
    "aws": ("boto3", "awscli"),
    "alibaba": ("alibabacloud_eventbridge==1.3.8", "setuptools<81"),
    "alibaba2020": ("alibabacloud_eventbridge20200401==8.7.0",),
    "baidu": ("bce-python-sdk>=0.9.79",),
    "tencent": ("cos-python-sdk-v5>=1.9.44",),
    "cloudevents": ("cloudevents>=2.2",),
}
"""What each environment holds."""

JAVASCRIPT = {"js": ("cloudevents",)}

_MADE = ".made"
"""The file whose text says what an environment was made of."""


def client(name: str) -> Path:
    """An environment's folder, with `bin/python` or `node_modules`; skips the test where it is not there."""
    import pytest  # the environments are made before it is installed

    folder = ROOT / name
    if not _is_made(folder, _packages(name)):
        what = f"no environment {name!r}; make it: python -m tests.clients.environments {name}"
        if os.environ.get("CI") == "true":
            pytest.fail(what)
        pytest.skip(what)
    return folder


def make(name: str) -> None:
    """Make an environment, unless it is there."""
    folder, packages = ROOT / name, _packages(name)
    if _is_made(folder, packages):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name in JAVASCRIPT:
        (folder / "package.json").write_text('{"private": true}')
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", *packages]
    else:
        venv.create(folder, with_pip=True)
        command = [str(folder / "bin/python"), "-m", "pip", "install", "-q", *packages]
    subprocess.run(command, cwd=folder, check=True)
    (folder / _MADE).write_text(" ".join(packages))


def _packages(name: str) -> Sequence[str]:
    return (PYTHON | JAVASCRIPT)[name]


def _is_made(folder: Path, packages: Sequence[str]) -> bool:
    made = folder / _MADE
    return made.is_file() and made.read_text() == " ".join(packages)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or (*PYTHON, *JAVASCRIPT):
        make(wanted)
