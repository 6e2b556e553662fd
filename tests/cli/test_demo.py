from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import router
from router import samples
from tests.client import post
from tests.process import output_until

REPOSITORY = Path(__file__).parents[2]

EVENTS = 36 + 5 + len(samples.load("tencent")) + 1
"""33 and 3 derived ones of Alibaba's; 2 of Baidu's with 2 results each, and an upload; Tencent's; 1 more."""


def demo(cwd: Path, *options: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "router", "demo", "--port", "0", *options],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "160"} | (environ or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_everything_arrives(tmp_path: Path) -> None:
    done = demo(tmp_path, "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    (data,) = tmp_path.glob("data/demo-*")
    audit = [
        json.loads(line) for file in data.glob("audit/*.jsonl") for line in file.read_text().splitlines()
    ]
    assert len(audit) == EVENTS
    assert len({line["event"]["id"] for line in audit}) == EVENTS
    imm = {line["event"]["type"] for line in audit if line["event"]["source"] == "acs.imm"}
    assert len(imm) == len([sample for sample in samples.load("alibaba") if not sample.derived]) == 33
    assert f"Everything arrived: {EVENTS} events" in done.stdout
    assert "at try" in done.stdout  # the receiver failed at first, and that is shown
    for file in (*data.glob("audit/*.jsonl"), data / "console.log"):
        assert str(file.relative_to(tmp_path)) in done.stdout
    assert "no rule wanted" in (data / "console.log").read_text()
    (upload,) = (line["event"] for line in audit if line["event"]["type"] == "com.baidubce.bos.PutObject")
    assert set(upload["data"]["content"]["credentials"].values()) == {"[redacted]"}
    assert b"made-up-" not in b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())


def test_without_once_it_keeps_serving_until_it_is_ended(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "router", "demo", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        said = output_until(process.stdout, "Still serving")
        url = said[0].split("listens on ")[1].split(":", 3)
        body = json.dumps(
            {"specversion": "1.0", "id": "1", "source": "/x", "type": "com.example.late"}
        ).encode()
        base = f"{url[0]}:{url[1]}:{url[2]}".rstrip(": ")
        assert post(f"{base}/events", body, "application/cloudevents+json").status == 202
        process.terminate()
        assert process.wait(30) == 0
    audit = "".join(file.read_text() for file in tmp_path.glob("data/demo-*/audit/*.jsonl"))
    assert "com.example.late" in audit


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built wheel in it, and PyPI's package `rules` beside it."""
    built = tmp_path_factory.mktemp("wheel")
    copy = built / "source"
    ignored = shutil.ignore_patterns(".venv", ".clients", ".git", ".hypothesis", "data", "tests", "*_cache")
    shutil.copytree(REPOSITORY, copy, ignore=ignored)
    run: list[str | Path] = [sys.executable, "-m"]
    subprocess.run([*run, "build", "--wheel", "--outdir", built, copy], check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if not name.startswith(("router/", "rule_router-"))]
    folder = built / "site"
    pip = [*run, "pip", "install", "-q", "--no-deps", "--target", folder]
    subprocess.run([*pip, wheel, "rules"], check=True, capture_output=True)
    return folder


def test_from_a_wheel_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    environ = {"PYTHONPATH": str(installed)}
    where = [sys.executable, "-c", "import router; print(router.__file__)"]
    found = subprocess.run(
        where, cwd=tmp_path, env=os.environ | environ, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).is_relative_to(installed)
    assert Path(router.__file__).is_relative_to(REPOSITORY)  # and not the one under test here
    done = demo(tmp_path, "--once", environ=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Everything arrived: {EVENTS} events" in done.stdout


def test_import_rules_is_still_the_package_of_that_name(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import rules; print(rules.__file__, hasattr(rules, 'add_rule'))"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(installed / "rules" / "__init__.py"), "True"]
