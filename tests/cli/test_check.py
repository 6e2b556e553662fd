"""`router check`: what is told of a part of a deployment, and of paths that are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.operating import command
from tests.client import post, request
from tests.process import RouterProcess

RULE = 'rules: [{name: a, match: {type: "*"}, targets: [one], tests: [{event: {type: x}, expect: match}]}]'
TARGET = "targets: {one: {log: {}}}"


def test_rules_alone_may_name_any_target(tmp_path: Path) -> None:
    for part, text in (("rules", RULE), ("targets", TARGET)):
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.yml").write_text(text)
    for path in ("rules", "rules/a.yml"):
        done = command("check", path, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        said = "the targets are not among these files: whether there are such was not looked at"
        assert done.stdout.splitlines()[-1] == said
        assert command("test", path, cwd=tmp_path).returncode == 0
    # What is to run needs them, and whoever names them, or all of it, is told of those that are missing.
    assert "unknown target 'one'" in command("serve", "rules", cwd=tmp_path).stderr
    assert command("check", "rules", "targets", cwd=tmp_path).stdout.startswith("fine: 1 rule, 1 target")
    (tmp_path / "targets" / "a.yml").write_text(TARGET.replace("one", "other"))
    for paths in ((), ("rules", "targets")):
        assert "unknown target 'one'" in command("check", *paths, cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/api/v1", "its API is below /api/v1"),
        ("/api/v1/events", "its API is below /api/v1"),
        ("/healthz", "there it says that it lives"),
        ("/readyz", "there it says whether it takes events"),
    ],
)
def test_a_source_on_a_path_of_the_routers_own_is_refused(path: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(
        f"{RULE}\n{TARGET}\nsources:\n  cloud:\n    kind: cloudevents\n    path: {path}\n"
    )
    for words in (["check"], ["serve", "--port", "0"]):
        done = command(*words, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.splitlines()[0].endswith(
            f"router.yml:6:11: error: sources.cloud.path: {path} is the router's own: {why}; "
            "give the source another path, such as /cloud"
        )


@pytest.mark.parametrize(
    ("retry", "most"),
    [
        ("{attempts: 3, first: 100ms}", "0.3s"),  # 100 ms, 200 ms
        ("{attempts: 3, first: 100ms, for: 5m}", "0.3s"),
        ("{attempts: 3, first: 100ms, for: 2s}", "0.3s"),  # which attempts cut short
        ("{first: 50ms, most: 200ms}", "36.55s"),  # 50 ms, 100 ms, 182 of 200 ms
        ("{attempts: 5, most: 2s}", "7s"),
        ("{attempts: 6}", "31s"),
        ("{attempts: 7}", None),
        ("{attempts: 3, first: 100ms, for: 0.3s}", None),
        ("{for: 10s}", None),
        ("{attempts: 1}", None),
        ("{}", None),
    ],
)
def test_a_policy_that_gives_up_in_less_than_a_minute(retry: str, most: str | None, tmp_path: Path) -> None:
    rules = f"{RULE}\ntargets:\n  one:\n    log: {{}}\n    retry: {retry}\n"
    (tmp_path / "router.yml").write_text(rules)
    done = command("check", cwd=tmp_path)
    assert done.returncode == 0
    if most is None:
        assert done.stderr == ""
        return
    (line,) = [line for line in done.stderr.splitlines() if "warning" in line]
    assert "router.yml:5:5: warning: targets.one.retry: gives up " in line
    assert f"gives up {most} after the first attempt at the latest, " in line
    assert "and maybe at once: each wait may be anything from nothing to its bound; raise attempts" in line
    assert line.endswith(f"if so short a time is meant, say `for: {most}`")
    (tmp_path / "router.yml").write_text(rules.replace(retry, retry[:-1] + f", for: {most}}}"))
    if "for" not in retry:
        assert command("check", cwd=tmp_path).stderr == ""


@pytest.mark.parametrize(
    ("retry", "place", "told"),
    [
        (
            "{first: 1h, for: 10m, most: 1h}",
            "5:13",
            "retry.first: the first pause is 3600s at most, and `for`",
        ),
        (
            "{reject: [400, 503]}",
            "5:27",
            "retry.reject: 503 Service Unavailable says that it passes: what is",
        ),
        ("{reject: [429]}", "5:22", "retry.reject: 429 Too Many Requests says that it passes: what is"),
        ("{reject: [400, 404, 500, 501]}", "", ""),
        ("{first: 1h, for: 10m, most: 1h, attempts: 1}", "", ""),
        ("{first: 10m, for: 10m}", "", ""),
    ],
)
def test_a_policy_that_is_odd(retry: str, place: str, told: str, tmp_path: Path) -> None:
    rules = f"{RULE}\ntargets:\n  one:\n    http: {{url: 'http://127.0.0.1:1/'}}\n    retry: {retry}\n"
    (tmp_path / "router.yml").write_text(rules)
    done = command("check", cwd=tmp_path)
    assert done.returncode == 0
    lines = [line for line in done.stderr.splitlines() if "warning" in line]
    assert [line.partition(" after ")[0] for line in lines] == [
        line.partition(" after ")[0]
        for line in lines
        if line.startswith(f"router.yml:{place}: warning: targets.one.{told}")
    ]
    assert len(lines) == bool(told)


def test_these_are_all_the_paths_of_the_routers_own(tmp_path: Path) -> None:
    """What is free is the source's: also what only looks like one of ours."""
    paths = ["/api/v10", "/api", "/healthz/", "/readyz2", "/"]
    sources = "".join(f"  s{at}: {{kind: cloudevents, path: {path}}}\n" for at, path in enumerate(paths))
    (tmp_path / "router.yml").write_text(f"{RULE}\n{TARGET}\nsources:\n{sources}")
    with RouterProcess([tmp_path], tmp_path / "data") as router:
        body = b'{"specversion": "1.0", "id": "1", "source": "/x", "type": "t"}'
        for path in paths:
            assert post(f"{router.url}{path}", body, "application/cloudevents+json").status == 202, path
        for path in ("/healthz", "/readyz", "/api/v1/status"):
            assert request("GET", f"{router.url}{path}").status == 200
