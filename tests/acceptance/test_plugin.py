"""The example of a plugin, as its user has it: beside the router, in an environment of their own."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.process import RouterProcess

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "plugin_example"
SECRET = "It's a Secret to Everybody"
OPENED = b'{"action": "opened", "issue": {"number": 1}, "repository": {"full_name": "octo/hello"}}'


def call(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, cwd=cwd)


def must(*words: str | Path, cwd: Path | None = None) -> str:
    done = call(*words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with the router and the example; what these need is borrowed from this one.

    Attributes:
        folder: a copy of the example.
    """

    python: Path
    folder: Path

    def router(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return call(self.python.with_name("router"), *words, cwd=self.folder)


@pytest.fixture(scope="module", autouse=True)
def _not_a_checkout() -> Iterator[None]:
    """What is installed is what is run, also where PYTHONPATH leads to a checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        yield


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    home = tmp_path_factory.mktemp("plugin")
    folder = shutil.copytree(EXAMPLE, home / "example", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for package in (ROOT, folder):
        must(sys.executable, "-m", "build", "-w", "-n", "-o", home / "wheels", package, cwd=home)
    venv.create(home / "venv", symlinks=True)
    python = home / "venv" / "bin" / "python"
    wheels = sorted((home / "wheels").iterdir())
    pip = (sys.executable, "-m", "pip", "--python", python)
    must(*pip, "install", "-q", "--no-index", "--no-deps", *wheels, cwd=home)
    (found,) = (home / "venv").glob("lib/*/site-packages")
    (found / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return Environment(python, folder)


def test_it_is_what_was_installed(installed: Environment) -> None:
    script = "import router, router_example; print(router.__file__, router_example.__file__)"
    for file in must(installed.python, "-c", script, cwd=installed.folder).split():
        assert installed.python.parents[1] in Path(file).parents


def test_its_page_installs_what_is_there(installed: Environment) -> None:
    page = (EXAMPLE / "README.md").read_text()
    (folder,) = re.findall(r"^\$ cd (\S+)$", page, re.MULTILINE)
    lines = re.findall(r"^\$ pip install (.+?)(?: &&.*)?$", page, re.MULTILINE)
    for line in lines:
        named = [word.partition("[")[0] for word in shlex.split(line) if not word.startswith("-")]
        assert [(ROOT / folder / word).resolve() for word in named] == [ROOT, EXAMPLE], line
    assert len(lines) == 2


def test_check_knows_its_kinds_and_their_settings(installed: Environment) -> None:
    fine = installed.router("check", "deployment")
    assert (fine.returncode, fine.stderr) == (0, "")
    assert fine.stdout.startswith("fine: 1 rule, 1 target, ")

    broken = installed.folder / "broken.yml"
    text = (installed.folder / "deployment" / "router.yml").read_text()
    broken.write_text(
        text.replace("host:", "hots:").replace("{kind: github, secret:", "{kind: github, sekret:")
    )
    told = installed.router("check", broken).stderr
    assert "targets.team.mail.hots: unknown key 'hots'; did you mean 'host'?" in told
    assert "sources.github.sekret: unknown key 'sekret'; did you mean 'secret'?" in told


def test_where_it_is_not_installed_check_says_so(installed: Environment) -> None:
    told = call(sys.executable, "-m", "router", "check", "deployment", cwd=installed.folder)
    assert told.returncode == 2
    assert "there is no kind of source called 'github'" in told.stderr
    assert "there is no kind of target called 'mail'" in told.stderr


def test_the_schema_describes_its_settings(installed: Environment) -> None:
    schema = json.loads(installed.router("schema").stdout)
    kinds = schema["properties"]["targets"]["additionalProperties"]["properties"]
    assert {"http", "file", "log", "mail"} <= set(kinds)
    assert schema["$defs"]["MailSettings"]["properties"]["from"]["description"] == "whose mail it is."
    assert schema["$defs"]["GitHubSettings"]["properties"]["kind"] == {"const": "github"}


def test_it_passes_the_conformance_suites(installed: Environment) -> None:
    told = must(installed.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=installed.folder)
    passed = int(told.rpartition(" passed")[0].rpartition("\n")[2].rpartition(" ")[2])
    assert passed > 80


@contextmanager
def mailbox(installed: Environment) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The example's mail server, and its port."""
    words = [str(installed.python), "-m", "router_example.mailbox"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=installed.folder) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().rpartition(":")[2]), process
        finally:
            process.kill()


def post(url: str, body: bytes, secret: str) -> int:
    headers = {
        "content-type": "application/json",
        "x-github-event": "issues",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "x-hub-signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}",
    }
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_what_happens_at_github_comes_by_mail(installed: Environment, tmp_path: Path) -> None:
    with (
        mailbox(installed) as (port, mails),
        RouterProcess(
            [installed.folder / "deployment"],
            tmp_path / "data",
            {"MAIL_PORT": str(port)},
            cwd=installed.folder,
            python=str(installed.python),
        ) as router,
    ):
        assert post(f"{router.url}/github", OPENED, "another secret") == 403
        assert post(f"{router.url}/github", OPENED, SECRET) == 202
        assert mails.stdout is not None
        mail: dict[str, Any] = json.loads(mails.stdout.readline())
        assert router.terminate() == 0
    assert (mail["From"], mail["To"]) == ("router@example.com", "team@example.com")
    assert mail["Subject"] == "com.github.issues.opened"
    assert mail["Message-ID"].endswith("-team@team.rule-router>")
    assert "octo/hello" in mail["attached"][0]
