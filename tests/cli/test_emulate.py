from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from router import samples
from tests.cli.operating import command
from tests.emulator import EmulatorProcess
from tests.process import RouterProcess
from tests.receiver import Answer, Receiver

RULES = """
rules: [{name: all, match: {type: "*"}, targets: [file]}]
targets: {file: {file: {path: all.jsonl}}}
"""

TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+00:00  ", re.MULTILINE)


def lines(text: str) -> list[str]:
    """What was printed, without its times."""
    return TIME.sub("", text).splitlines()


@pytest.mark.parametrize(("cloud", "count"), [("alibaba", 36), ("baidu", 3), ("tencent", None)])
def test_the_samples_go_to_the_router_that_runs_here(cloud: str, count: int | None, tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    count = count or len(samples.load(cloud))
    with RouterProcess([tmp_path], tmp_path / "data") as router:
        for _ in range(2):  # and the second time they are other events
            done = command("emulate", cloud, cwd=tmp_path)
            assert (done.returncode, done.stderr) == (0, "")
            *told, last = lines(done.stdout)
            assert last == f"{count} events: {count} taken, 0 lost, {count} attempts"
            assert len(told) == count
            assert all(line.endswith("  attempt 1: 200, taken") for line in told)
        assert router.terminate() == 0
    written = [json.loads(line)["event"] for line in (tmp_path / "data/all.jsonl").read_text().splitlines()]
    more = 2 if cloud == "baidu" else 0  # its two samples of results hold two each
    assert len({event["id"] for event in written}) == len(written) == 2 * (count + more)


def test_where_no_router_runs(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    done = command("emulate", "baidu", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: no router runs on {tmp_path / 'data'}; start it, or say --to\n"


def test_each_attempt_is_a_line(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "push.json"
    file.write_text("{}")
    later = Answer(429, {"retry-after": "30"}, b'{"error":\n "later"}')
    receiver.script(later, Answer(204), Answer(500))
    done = command("emulate", "baidu", "--to", receiver.url, "--speed", "1000", file)
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout) == [
        f'{file}  attempt 1: 429 ({{"error": "later"}}), again in 30.0 s (0.03 s here)',
        f"{file}  attempt 2: 204, again in 1.0 s (0.001 s here)",
        f"{file}  attempt 3: 500, again in 2.0 s (0.002 s here)",
        f"{file}  attempt 4: 200, taken",
        "1 event: 1 taken, 0 lost, 4 attempts",
    ]
    assert [request.target for request in receiver.requests] == ["/baidu"] * 4


def test_what_is_lost_is_said_and_shows_in_the_exit_status(unused_port: int, tmp_path: Path) -> None:
    file = tmp_path / "callback.xml"
    file.write_text("<Response/>")
    done = command("emulate", "tencent", "--to", f"http://127.0.0.1:{unused_port}", file)
    assert done.returncode == 1
    why = f"no answer (connection refused by 127.0.0.1:{unused_port})"
    assert lines(done.stdout) == [
        f"{file}  attempt 1: {why}, LOST: Tencent CI is not known to call back again",
        "1 event: 0 taken, 1 lost, 1 attempt",
    ]


def test_a_program_reads_json(receiver: Receiver) -> None:
    receiver.script(Answer(503))
    done = command("emulate", "alibaba", "--to", receiver.url, "--speed", "1000", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == 37
    first = next(one for one in told if one["then"] == "again")
    assert (first["cloud"], first["attempt"], first["status"]) == ("alibaba", 1, 503)
    assert 10 <= first["pause"] <= 20
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*Z", first["time"])


def test_a_file_goes_as_it_is_and_its_repetitions_get_ids_of_their_own(
    receiver: Receiver, tmp_path: Path
) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"id": "mine",  "type": "imm:Task:X"}')

    def sent(*options: str) -> list[str]:
        before = len(receiver.requests)
        done = command("emulate", "alibaba", "--to", receiver.url, "--repeat", "3", *options, file)
        assert done.returncode == 0, done.stderr
        return [request.body.decode() for request in receiver.requests[before:]]

    bodies = sent()
    assert file.read_text() in bodies
    assert len({json.loads(body)["id"] for body in bodies}) == 3
    assert sent("--same-ids") == [file.read_text()] * 3
    assert "mine" not in "".join(sent("--new-ids"))


def test_an_address_with_a_path_is_for_everything(receiver: Receiver) -> None:
    assert command("emulate", "baidu", "--to", f"{receiver.url}/v1/b/?result").returncode == 0
    assert [request.target for request in receiver.requests] == ["/v1/b/?result"] * 2
    assert command("emulate", "baidu", "--to", f"{receiver.url}/").returncode == 0
    assert {request.target for request in receiver.requests[2:]} == {
        "/?event",
        "/?result",
        "/v1/bucketName_example/?result",
    }


def test_secrets_come_from_the_environment(receiver: Receiver, tmp_path: Path) -> None:
    environ = {
        "ROUTER_EMULATE_KEY_ID": "AK",
        "ROUTER_EMULATE_SECRET": "s3cret",
        "ROUTER_EMULATE_TOKEN": "t0ken",
    }
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = tmp_path / "key.pem"
    none = serialization.NoEncryption()
    pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none))
    file = tmp_path / "x.json"
    file.write_text("{}")
    for cloud, options in (("alibaba", ("--private-key", pem)), ("baidu", ()), ("tencent", ())):
        done = command("emulate", cloud, "--to", receiver.url, *options, file, environ=environ)
        assert done.returncode == 0, done.stderr
        assert "s3cret" not in done.stdout
        assert "t0ken" not in done.stdout
    alibaba, baidu, tencent = receiver.requests
    assert alibaba.headers["x-eventbridge-signature-token"] == "t0ken"
    assert alibaba.headers["x-eventbridge-signature-v2"]
    assert baidu.headers["authorization"].startswith("bce-auth-v1/AK/")
    assert tencent.target == "/tencent?token=t0ken"


def test_stopped_while_it_waits_it_says_how_far_it_came(receiver: Receiver) -> None:
    receiver.script(Answer(503), Answer(503))
    with EmulatorProcess("baidu", "--to", receiver.url, "--speed", "0.001") as emulator:
        emulator.wait_for(lambda told: told["then"] == "again", 2)
        assert emulator.interrupt() == 1
        assert emulator.errors == ["stopped before everything was taken or lost\n"]


def test_stopped_it_counts_every_event_that_was_begun(receiver: Receiver, tmp_path: Path) -> None:
    gate = receiver.gate()
    answers = {b"taken": Answer(200), b"again": Answer(503), b"hangs": Answer(200, gate=gate)}
    receiver.decide = lambda request: answers[request.body]
    files = [tmp_path / f"{name.decode()}.json" for name in answers]
    for file in files:
        file.write_text(file.stem)
    words = [sys.executable, "-m", "router", "emulate", "baidu", "--same-ids", "--speed", "0.001"]
    with subprocess.Popen(
        [*words, "--to", f"{receiver.url}/all", *map(str, files)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            told = [process.stdout.readline() for _ in range(2)]
            receiver.wait_for(3)
            process.send_signal(signal.SIGINT)
            *_, summary = process.stdout
            assert process.wait(30) == 1
        finally:
            process.kill()
            gate.open()
    assert "attempt 1" in told[1]
    assert summary == "3 events: 1 taken, 0 lost, 2 neither yet, 2 attempts with an outcome\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["baidu", "--key-id", "AK"], "a key is two things: give --key-id and --secret"),
        (["baidu", "--to", "localhost"], "'localhost' is no address"),
        (["baidu", "--timeout", "soon"], "'soon' is no duration"),
        (["tencent", "--jobs", __file__], "with --jobs nothing is sent but callbacks"),
        (["alibaba", "--private-key", __file__], f"{__file__}: this is no private key in PEM"),
        (["aws"], "No such command 'aws'"),
    ],
)
def test_what_is_used_wrongly(words: list[str], said: str) -> None:
    done = command("emulate", *words)
    assert done.returncode == 2
    assert said in done.stderr
