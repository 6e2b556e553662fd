from __future__ import annotations

import itertools
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from router.cli.deployment import load
from tests.client import post, request
from tests.disk import fill, make_space, mounted
from tests.process import RouterProcess
from tests.receiver import Answer, Receiver
from tests.targets.filing import KEY

DOUBTFUL = """
rules:
  - {name: all, match: {type: "*"}, targets: [console]}
  - {name: odd, match: {data: {Name: "*.mp4"}}, targets: [console]}
targets: {console: {log: {}}%s}
"""

LOG_ONLY = """
rules: [{name: all, match: {type: "*"}, targets: [console]}]
targets: {console: {log: {}}}
"""

NUMBERS = itertools.count(1)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "router.yml"
    file.write_text(LOG_ONLY)
    return file


def router(
    *arguments: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "router", *map(str, arguments)],
        cwd=cwd,
        env=dict(os.environ) | dict(environ or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def event(data: object = (1,)) -> bytes:
    """An event that is like no other."""
    number = str(next(NUMBERS))
    about = {"specversion": "1.0", "id": number, "source": "/tests", "type": "test.event", "data": data}
    return json.dumps(about).encode()


def send(url: str, data: object = (1,)) -> int:
    return post(f"{url}/events", event(data), "application/cloudevents+json").status


def test_what_is_sent_comes_out_on_standard_output(rules: Path, tmp_path: Path) -> None:
    with RouterProcess([rules], tmp_path / "data") as running:
        assert send(running.url) == 202
        (line,) = running.wait_for_output(1)
        said = json.loads(line)
        assert (said["event"], said["type"], said["rules"]) == ("event.routed", "test.event", ["all"])
        assert running.terminate() == 0


def test_sigterm_drains_and_exits_0(receiver: Receiver, tmp_path: Path) -> None:
    rules = tmp_path / "router.yml"
    rules.write_text(
        LOG_ONLY.replace("{log: {}}", f'{{http: {{url: "{receiver.url}/hook"}}, concurrency: 1}}')
    )
    gate = receiver.gate()
    receiver.script(Answer(gate=gate))
    with RouterProcess([rules], tmp_path / "data") as running:
        for _ in range(3):
            assert send(running.url) == 202
        receiver.wait_for(1)
        running.signal_term()
        running.wait_for_log("router.stopping")
        gate.open()
        assert running.wait() == 0
    # The attempt under way ended and is written down; the others wait for the next start.
    with RouterProcess([rules], tmp_path / "data") as running:
        receiver.wait_for(3)
        assert running.terminate() == 0
    assert len(receiver.requests) == 3
    assert len({r.headers["idempotency-key"] for r in receiver.requests}) == 3


def test_an_attempt_that_hangs_does_not_hold_up_the_end_for_ever(receiver: Receiver, tmp_path: Path) -> None:
    rules = tmp_path / "router.yml"
    hook = f'{{http: {{url: "{receiver.url}/hook", timeout: 1h}}}}'
    rules.write_text(LOG_ONLY.replace("{log: {}}", hook))
    receiver.script(Answer(gate=receiver.gate()))
    with RouterProcess([rules], tmp_path / "data") as running:
        assert send(running.url) == 202
        receiver.wait_for(1)
        assert running.terminate(timeout=25) == 0
    with RouterProcess([rules], tmp_path / "data"):
        first, second = receiver.wait_for(2)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_a_folder_belongs_to_one_router(rules: Path, tmp_path: Path) -> None:
    with RouterProcess([rules], tmp_path / "data") as running:
        second = router("serve", rules, "--data", tmp_path / "data", "--port", "0")
        again = router("serve", rules, "--data", tmp_path / "data", "--port", running.url.rpartition(":")[2])
    for done in (second, again):  # also where the port is taken, for the same reason
        assert done.returncode == 2
        assert done.stderr == (
            f"error: {tmp_path / 'data'} is in use by process {running.pid}; "
            "stop that router, or give this one another folder\n"
        )


@pytest.mark.parametrize("somebody_elses", [False, True])
def test_a_port_that_is_taken(somebody_elses: bool, rules: Path, tmp_path: Path) -> None:
    if somebody_elses:  # whose lock cannot be opened
        (tmp_path / "data/lock").mkdir(parents=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = router("serve", rules, "--data", tmp_path / "data", "--port", str(port))
    assert done.returncode == 2
    assert re.fullmatch(
        rf"error: cannot listen on 127\.0\.0\.1:{port}: Address already in use by process {os.getpid()} "
        rf"\(.+, in {re.escape(str(Path.cwd()))}\); end that one, or take another port \(--port, or .*\n",
        done.stderr,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_it_does_not_listen_to_strangers_it_cannot_know(host: str, rules: Path, tmp_path: Path) -> None:
    done = router("serve", rules, "--data", tmp_path / "data", "--host", host, "--port", "0")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: refused to listen: it listens on {host}, and anybody could")


def test_unless_it_is_told_to(rules: Path, tmp_path: Path) -> None:
    options = ("--host", "0.0.0.0", "--insecure")
    with RouterProcess([rules], tmp_path / "data", options=options) as running:
        assert send(running.url.replace("0.0.0.0", "127.0.0.1")) == 202


def test_a_broken_configuration_is_told_whole_and_starts_nothing(tmp_path: Path) -> None:
    rules = tmp_path / "router.yml"
    rules.write_text(LOG_ONLY.replace("console]", "consle]").replace("log:", "lgo:"))
    done = router("serve", rules, "--data", tmp_path / "data", "--port", "0")
    assert done.returncode == 2
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["error", "error"]
    assert "did you mean 'console'?" in done.stderr
    assert "did you mean 'log'?" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_file_that_is_no_store_is_named(rules: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "deliveries.sqlite").write_bytes(b"this is no database, and long enough to look like one" * 100)
    done = router("serve", rules, "--data", data, "--port", "0")
    assert done.returncode == 2
    assert f"{data} cannot be opened as a router's store" in done.stderr


def test_the_folder_that_it_stands_in_is_the_deployment(rules: Path, tmp_path: Path) -> None:
    with RouterProcess([], tmp_path / "data", cwd=tmp_path) as running:
        assert send(running.url) == 202
        running.wait_for_output(1)
    assert (tmp_path / "data" / "deliveries.sqlite").exists()


def test_yesterdays_bodies_are_rendered_by_yesterdays_rules(receiver: Receiver, tmp_path: Path) -> None:
    """A body is made by the configuration that routed its event; the address is the target's as it is now."""
    rules = tmp_path / "router.yml"
    text = """
rules:
  - {name: all, match: {type: "*"}, targets: [{target: hook, transform: {text: "%s {{ data[0] }}"}}]}
targets:
  hook: {http: {url: "%s/%s"}, retry: {first: 100ms, most: 100ms}}
"""
    receiver.script(Answer(503))
    rules.write_text(text % ("before", receiver.url, "old"))
    with RouterProcess([rules], tmp_path / "data") as running:
        assert send(running.url) == 202
        receiver.wait_for(1)
        running.kill()
    rules.write_text(text % ("after", receiver.url, "new"))
    with RouterProcess([rules], tmp_path / "data") as running:
        receiver.wait_for(2)
        assert send(running.url) == 202
        requests = receiver.wait_for(3)
    assert [(r.target, r.body) for r in requests] == [
        ("/old", b"before 1"),
        ("/new", b"before 1"),
        ("/new", b"after 1"),
    ]


def test_the_log_says_what_runs_and_no_secret(receiver: Receiver, tmp_path: Path) -> None:
    rules = tmp_path / "router.yml"
    hook = '{http: {url: "${HOOK}", headers: {x-api-key: "${KEY}"}}}'
    rules.write_text(LOG_ONLY.replace("{log: {}}", hook))
    environ = {"HOOK": f"{receiver.url}/hook", "KEY": "hunter2-hunter2"}
    with RouterProcess([rules], tmp_path / "data", environ) as running:
        assert send(running.url) == 202
        (got,) = receiver.wait_for(1)
        started = running.wait_for_log("router.started")
        assert running.terminate() == 0
        assert "hunter2" not in json.dumps(running.log)
    assert (started["rules"], started["targets"], len(started["version"])) == (1, 1, 16)
    assert got.headers["x-api-key"] == "hunter2-hunter2"
    with closing(sqlite3.connect(tmp_path / "data" / "deliveries.sqlite")) as store:
        (text,) = store.execute("SELECT text FROM configurations").fetchone()
    assert "hunter2" not in text
    assert "${KEY}" in text


def test_refused_requests_are_in_the_log(rules: Path, tmp_path: Path) -> None:
    with RouterProcess([rules], tmp_path / "data") as running:
        assert post(f"{running.url}/events", b"{", "application/cloudevents+json").status == 400
        line = running.wait_for_log("request.refused")
        assert request("GET", f"{running.url}/healthz").status == 200
    assert (line["source"], line["path"], line["bytes"]) == ("cloudevents", "/events", 1)
    assert line["content_type"] == "application/cloudevents+json"
    assert line["client"].startswith("127.0.0.1:")
    assert "line 1, column" in line["error"]


def commands(*names: str) -> Sequence[str]:
    return names


@pytest.mark.parametrize(
    "command",
    commands(
        "serve",
        "demo",
        "check",
        "test",
        "explain",
        "send",
        "events",
        "deliveries",
        "dead",
        "replay",
        "doctor",
        "schema",
    ),
)
def test_every_command_explains_itself(command: str) -> None:
    done = router(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: python -m router {command}")


def test_what_waits_at_the_end_has_the_last_checkpoint_of_a_chain(tmp_path: Path) -> None:
    (tmp_path / "audit.key").write_text(KEY)
    rules = tmp_path / "router.yml"
    rules.write_text(
        """
rules: [{name: all, match: {type: "*"}, targets: [chained]}]
targets:
  chained: {file: {path: a.jsonl, chain: {key: {file: audit.key}, checkpoints: auditor, every: 1000}}}
  auditor: {file: {path: checkpoints.jsonl}}
"""
    )
    with RouterProcess([rules], tmp_path / "data") as running:
        assert send(running.url) == 202
        deadline = time.monotonic() + 20.0
        while json.loads(request("GET", f"{running.url}/api/v1/deliveries").body)["deliveries"]:
            assert time.monotonic() < deadline
        assert running.terminate() == 0
        assert running.wait_for_log("router.stopped")["waiting"] == {"auditor": 1}


def test_a_backlog_is_told_at_the_end_and_at_the_start_and_one_that_nobody_will_fetch_most_of_all(
    receiver: Receiver, tmp_path: Path
) -> None:
    rules = tmp_path / "router.yml"
    text = """
rules: [{name: all, match: {type: "*"}, targets: [%s]}]
targets: {%s: {http: {url: "%s/hook"}, retry: {first: 1h, most: 1h}}}
"""
    receiver.decide = lambda _: Answer(503)
    rules.write_text(text % ("hook", "hook", receiver.url))
    with RouterProcess([rules], tmp_path / "data") as running:
        assert send(running.url) == 202
        running.wait_for_log("target.failing")
        assert running.terminate() == 0
        assert running.wait_for_log("router.stopped")["waiting"] == {"hook": 1}
    rules.write_text(text % ("renamed", "renamed", receiver.url))
    with RouterProcess([rules], tmp_path / "data") as running:
        gone = running.wait_for_log("target.gone")
        assert (gone["target"], gone["waiting"], gone["level"]) == ("hook", 1, "warning")
        assert running.terminate() == 0
    receiver.decide = lambda _: Answer()
    rules.write_text(text % ("hook", "hook", receiver.url))
    with RouterProcess([rules], tmp_path / "data") as running:
        assert running.wait_for_log("target.backlog")["waiting"] == 1
    # Its retry is due in up to an hour; that it is still there is what counts here.


def test_a_full_disk_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    rules = tmp_path / "router.yml"
    rules.write_text(LOG_ONLY)
    with mounted(tmp_path / "disk", "4m") as disk, RouterProcess([rules], disk / "data") as running:
        assert send(running.url) == 202
        fill(disk)
        large = "x" * 100_000
        while send(running.url, large) == 202:  # what was set aside is used up first
            pass
        for _ in range(4):
            reply = post(f"{running.url}/events", event(large), "application/cloudevents+json")
            assert (reply.status, reply.headers["retry-after"]) == (429, "5")
        reasons = json.loads(request("GET", f"{running.url}/readyz").body)["reasons"]
        assert reasons[0] == "the store cannot be written: No space left on device"
        assert [reason.count("cannot be written") for reason in reasons] == [1] * len(reasons)
        make_space(disk)
        assert send(running.url) == 202
        assert running.wait_for_log("store.recovered")["turned_away"] == 5
        failing = [line["error"] for line in running.log if line["event"] == "store.failing"]
        assert failing == ["the store cannot be written: No space left on device"]
        assert running.terminate() == 0


def test_what_nobody_listens_to_is_in_the_log(rules: Path, tmp_path: Path) -> None:
    with RouterProcess([rules], tmp_path / "data") as running:
        assert post(f"{running.url}/alibaba/", b"{}").status == 404
        line = running.wait_for_log("request.refused")
    assert (line["error"], line["status"]) == ("nothing listens on POST /alibaba/", 404)
    assert line["client"].startswith("127.0.0.1:")


def test_a_reader_that_stalls_does_not_hold_up_the_end_for_ever(rules: Path, tmp_path: Path) -> None:
    large = {"specversion": "1.0", "source": "/t", "type": "t", "data": "x" * 3_000}
    with RouterProcess([rules], tmp_path / "data", heard=False) as running:
        for n in range(100):  # a pipe holds 64 KiB
            event = json.dumps(large | {"id": str(n)}).encode()
            assert post(f"{running.url}/events", event, "application/cloudevents+json").status == 202
        assert running.terminate(timeout=30) == 0
        running.wait_for_log("router.cut_short")
    with RouterProcess([rules], tmp_path / "data") as running:
        running.wait_for_output(1)  # what was accepted is there


def test_rules_alone_keep_their_data_beside_them(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yml").write_text(LOG_ONLY)
    loaded = load([tmp_path / "rules"])
    assert loaded.data == tmp_path / "data"
    assert load([tmp_path / "rules" / "all.yml"]).data == tmp_path / "rules" / "data"
    assert load([tmp_path]).data == tmp_path / "data"


def test_a_reload_tells_only_of_doubts_that_are_new(tmp_path: Path) -> None:
    file = tmp_path / "router.yml"
    file.write_text(DOUBTFUL % "")
    with RouterProcess([tmp_path], tmp_path / "data") as running:

        def doubts() -> list[str]:
            return [line["text"] for line in running.log if "warning: " in line.get("text", "")]

        assert len(doubts()) == 1
        assert "odd" in doubts()[0] or "*.mp4" in doubts()[0]
        file.write_text("# it only moves\n" + DOUBTFUL % "")
        running.hang_up()
        running.wait_for_log("router.reloaded")
        assert len(doubts()) == 1
        file.write_text(DOUBTFUL % ", spare: {log: {}}")
        running.wait_for_log("router.reloaded", count=2)
        assert len(doubts()) == 2
        assert "no rule sends anything to the target 'spare'" in doubts()[1]
