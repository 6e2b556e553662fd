"""`router check`, `router test`, `router schema`: what they print, where, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli import main

SOUND = """\
targets: {one: {log: {}}}
rules:
  - name: a
    match: {type: x}
    targets: [one]
    tests: [{event: {type: x}, expect: match}]
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, files: dict[str, str] | None = None) -> Result:
    for name, text in (files or {}).items():
        file = Path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return CliRunner().invoke(main, arguments)


def test_check_of_a_sound_file() -> None:
    result = run("check", "my.yml", files={"my.yml": SOUND})
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("fine: 1 rule, 1 target, version ")


def test_check_of_the_folder_one_is_in() -> None:
    assert run("check", files={"rules/a.yml": SOUND}).exit_code == 0


def test_check_of_a_broken_file() -> None:
    result = run("check", "my.yml", files={"my.yml": SOUND.replace("match: {type: x}", "mtach: {type: x}")})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "my.yml:4:5: error: rules.a.mtach: unknown key 'mtach'; did you mean 'match'?\n1 error\n"
    )


def test_check_of_an_empty_folder() -> None:
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr.startswith(".: error: no configuration in this folder")


def test_check_finds_faults_of_every_part_at_once() -> None:
    result = run(
        "check", "my.yml", files={"my.yml": SOUND.replace("[one]", "[on]") + "sources: {a: {kind: b}}\n"}
    )
    assert result.exit_code == 2
    assert "my.yml:5:15: error: unknown target 'on'" in result.stderr
    assert "my.yml:7:21: error: there is no kind of source called 'b'" in result.stderr
    assert result.stderr.endswith("2 errors\n")


def test_warnings_do_not_break_a_configuration() -> None:
    result = run("check", "my.yml", files={"my.yml": "targets: {one: {log: {}}}\n"})
    assert result.exit_code == 0
    assert "my.yml:1:1: warning: there are no rules" in result.stderr


def test_warnings_are_counted() -> None:
    result = run("check", "my.yml", files={"my.yml": SOUND.replace("type: x}", "typ: x}", 1)})
    assert result.exit_code == 0
    assert "my.yml:4:13: warning: CloudEvents has no attribute 'typ'" in result.stderr
    assert result.stdout.endswith(", 1 warning\n")


def test_check_for_programs() -> None:
    result = run("check", "--json", "my.yml", files={"my.yml": SOUND.replace("name: a", "name: A")})
    assert (result.exit_code, result.stderr) == (2, "")
    (problem,) = json.loads(result.stdout)
    assert (problem["file"], problem["line"], problem["column"], problem["severity"]) == (
        "my.yml",
        3,
        11,
        "error",
    )
    assert json.loads(run("check", "--json", files={"rules/a.yml": SOUND}).stdout) == []


def test_tests_that_pass() -> None:
    result = run("test", "my.yml", files={"my.yml": SOUND})
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 passed, 0 failed\n", "")


def test_tests_that_fail() -> None:
    broken = SOUND.replace("{event: {type: x}", "{name: the y, event: {type: y}")
    result = run("test", "my.yml", files={"my.yml": broken})
    assert (result.exit_code, result.stdout) == (1, "0 passed, 1 failed\n")
    assert result.stderr == (
        'my.yml:6:13: failed: \'the y\' of a: expected match, but type does not meet "x" (it is "y")\n'
    )


def test_rules_without_tests_are_named() -> None:
    result = run("test", "my.yml", files={"my.yml": SOUND.rpartition("    tests:")[0]})
    assert (result.exit_code, result.stdout) == (0, "0 passed, 0 failed\nwithout tests: a\n")


HOOK = """\
targets:
  one: {http: {url: "${URL}", headers: {authorization: "Bearer ${TOKEN}"}}, retry: {for: "${FOR}"}}
settings: {listen: {port: "${PORT}"}}
"""


def test_tests_need_no_environment() -> None:
    files = {"my.yml": SOUND.replace("targets: {one: {log: {}}}\n", HOOK)}
    result = run("test", "my.yml", files=files)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 passed, 0 failed\n", "")
    assert run("check", "my.yml").stderr.count("is not set") == 4


def test_tests_need_the_names_of_targets() -> None:
    files = {"my.yml": SOUND.replace("targets: {one: {log: {}}}\n", HOOK).replace("[one]", "[on]")}
    result = run("test", "my.yml", files=files)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "my.yml:7:15: error: unknown target 'on'; did you mean 'one'?\n"


def test_a_body_that_cannot_be_made_is_a_failure() -> None:
    text = SOUND.replace("[one]", "[{target: one, transform: {text: '{{ length(data.x) }}'}}]")
    result = run("test", "my.yml", files={"my.yml": text})
    assert (result.exit_code, result.stdout) == (1, "0 passed, 1 failed\n")
    assert result.stderr.startswith(
        "my.yml:6:13: failed: a test of a: the rule matches, but the body for 'one' cannot be made: "
        "the expression 'length(data.x)' failed: "
    )


def test_tests_for_programs() -> None:
    result = run(
        "test", "--json", "my.yml", files={"my.yml": SOUND.replace("expect: match", "expect: no-match")}
    )
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {
            "rule": "a", "test": "", "file": "my.yml", "line": 6, "column": 13, "passed": False,
            "why": "expected no-match, but the rule matches",
        }
    ]  # fmt: skip


def test_tests_of_a_broken_configuration() -> None:
    result = run("test", "my.yml", files={"my.yml": "rules: {}"})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "my.yml:1:8: error: rules: wants a list, found a mapping\n"


def test_the_schema_is_json() -> None:
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["title"] == "Configuration of rule-router"
