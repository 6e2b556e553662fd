"""`router target test`, towards real receivers."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from router.cli import main
from tests.certificates import Authority
from tests.cli.operating import RULES, House, command
from tests.receiver import Answer, Receiver
from tests.tls_server import https_server

RULE = 'rules: [{name: a, match: {type: "*"}, targets: [it], tests: [{event: {type: x}, expect: match}]}]'


def tried(folder: Path, target: str, *words: str, environ: dict[str, str] | None = None) -> tuple[int, str]:
    (folder / "router.yml").write_text(f"{RULE}\ntargets:\n  it: {target}\n")
    done = CliRunner().invoke(main, ["target", "test", "it", "-d", str(folder), *words], env=environ)
    assert done.exit_code in {0, 1}, done.output
    return done.exit_code, done.stdout


def told(folder: Path, target: str, environ: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    status, output = tried(folder, target, "--json", environ=environ)
    return status, json.loads(output)


def test_one_marked_event_is_sent_and_everything_about_it_shown(receiver: Receiver, tmp_path: Path) -> None:
    receiver.script(Answer(status=202, headers={"X-Queue": "seven"}, body=b"thanks"))
    status, output = tried(tmp_path, f"{{http: {{url: '{receiver.url}/hook'}}}}")
    (request,) = receiver.requests
    event = json.loads(request.body)
    assert (event["type"], event["ruleroutertest"]) == ("rule-router.test", True)
    assert status == 0
    assert f"request     POST {receiver.url}/hook\n" in output
    assert event["id"] in output
    for line in ("content-type: application/cloudevents+json", "x-queue: seven", "thanks"):
        assert f"            {line}" in output
    assert "answer      202 after" in output
    assert output.endswith("result      delivered\n")
    assert f"peer        127.0.0.1:{receiver.port} at 127.0.0.1" in output


def test_a_program_is_told_the_same(receiver: Receiver, tmp_path: Path) -> None:
    status, found = told(tmp_path, f"{{http: {{url: '{receiver.url}/hook'}}}}")
    assert (status, found["outcome"], found["target"], found["kind"]) == (0, "delivered", "it", "http")
    (exchange,) = found["exchanges"]
    assert (exchange["method"], exchange["status"]) == ("POST", 200)
    assert 0 < found["timing"]["connect"] < found["timing"]["total"] + 1
    assert found["timing"]["tls"] is None


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_no_secret_is_shown_even_where_the_receiver_repeats_it(
    receiver: Receiver, tmp_path: Path, words: tuple[str, ...]
) -> None:
    receiver.decide = lambda request: Answer(
        headers={"X-Echo": request.headers["x-key"], "Set-Cookie": "s=c00kie"},
        body=f"{request.headers['authorization']} {request.target}".encode(),
    )
    headers = "{x-key: s3cret-one, authorization: 'Bearer ${TOKEN}'}"
    target = f"{{http: {{url: '{receiver.url}/${{PATH_KEY}}?key=s3cret-query', headers: {headers}}}}}"
    environ = {"TOKEN": "s3cret-two", "PATH_KEY": "s3cret-path"}
    status, output = tried(tmp_path, target, *words, environ=environ)
    assert (status, len(receiver.requests)) == (0, 1)
    assert receiver.requests[0].headers["authorization"] == "Bearer s3cret-two"
    for secret in ("s3cret-one", "s3cret-two", "s3cret-path", "s3cret-query", "c00kie"):
        assert secret not in output
    assert "x-key" in output


def test_of_a_token_that_is_fetched_first_nothing_is_shown(receiver: Receiver, tmp_path: Path) -> None:
    token = {"access_token": "s3cret-token", "token_type": "Bearer", "expires_in": 60}
    receiver.decide = lambda request: Answer(
        body=json.dumps(token).encode() if request.target == "/token" else b"thanks"
    )
    who = "client_id: me, client_secret: s3cret-client, client_auth: post"
    oauth = f"{{token_url: '{receiver.url}/token', {who}}}"
    target = f"{{http: {{url: '{receiver.url}/hook', auth: {{oauth: {oauth}}}}}}}"
    for words in ((), ("--json",)):
        status, output = tried(tmp_path, target, *words)
        assert status == 0
        assert "s3cret" not in output
        assert f"{receiver.url}/token" in output
        assert "thanks" in output
    assert b"s3cret-client" in receiver.requests[0].body
    assert receiver.requests[1].headers["authorization"] == "Bearer s3cret-token"


def test_a_target_that_does_not_take_it(receiver: Receiver, tmp_path: Path) -> None:
    target = f"{{http: {{url: '{receiver.url}/hook'}}}}"
    for answer, outcome in ((404, "failed"), (422, "rejected")):
        receiver.script(Answer(status=answer, body=b"no"))
        status, found = told(tmp_path, target)
        assert (status, found["outcome"], found["exchanges"][0]["status"]) == (1, outcome, answer)
        assert str(answer) in found["reason"]
    receiver.stop()
    status, found = told(tmp_path, target)
    assert (status, found["reason"]) == (1, f"connection refused by 127.0.0.1:{receiver.port}")
    assert found["peer"]["problem"] == "Connection refused"
    receiver.start()


def test_an_address_that_is_refused(tmp_path: Path) -> None:
    settings = "settings: {listen: {host: 0.0.0.0}}"
    (tmp_path / "router.yml").write_text(
        f"{RULE}\ntargets: {{it: {{http: {{url: 'http://localhost:1/'}}}}}}\n{settings}\n"
    )
    done = command("target", "test", "it", cwd=tmp_path)
    assert done.returncode == 1
    rule = "the name localhost leads to 127.0.0.1, which is loopback (RFC 1122, RFC 4291), and never"
    assert f"problem     {rule}" in done.stdout
    assert f"result      failed: {rule}" in done.stdout


def test_facts_about_the_certificate(tmp_path: Path) -> None:
    authority = Authority("Somebody's authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1", "hooks.test").write(tmp_path, "server"))
    context.set_alpn_protocols(["h2"])
    (tmp_path / "ca.pem").write_text(authority.pem)
    with https_server(context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        status, found = told(tmp_path, f"{{http: {{url: '{url}', tls: {{ca: {{file: ca.pem}}}}}}}}")
        distrusted, other = told(tmp_path, f"{{http: {{url: '{url}'}}}}")
        _, text = tried(tmp_path, f"{{http: {{url: '{url}', tls: {{ca: {{file: ca.pem}}}}}}}}")
    assert (status, found["peer"]["tls"], found["peer"]["http"]) == (0, "TLSv1.3", "h2")
    certificate = found["peer"]["certificate"]
    assert (certificate["subject"], certificate["issuer"]) == ("CN=127.0.0.1", "CN=Somebody's authority")
    assert certificate["names"] == ["hooks.test", "127.0.0.1"]
    assert found["timing"]["tls"] > 0
    assert (distrusted, other["peer"]["certificate"]["issuer"]) == (1, "CN=Somebody's authority")
    assert other["peer"]["problem"].startswith("its certificate is not good: ")
    assert server.versions == ["2", "2"]
    assert "issuer      CN=Somebody's authority" in text
    assert "(0 days)" in text


def test_a_receiver_that_wants_a_certificate(tmp_path: Path) -> None:
    authority = Authority()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1").write(tmp_path, "server"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.issue("router").write(tmp_path, "client")
    (tmp_path / "ca.pem").write_text(authority.pem)
    tls = "{ca: {file: ca.pem}, certificate: {file: client.pem}, key: {file: client.key}}"
    with https_server(context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        status, found = told(tmp_path, f"{{http: {{url: '{url}', tls: {tls}}}}}")
    assert (status, found["outcome"], len(server.bodies)) == (0, "delivered", 1)
    assert found["peer"]["problem"].startswith("without a client certificate, which a look does not show: ")


def test_files_and_logs_too(tmp_path: Path) -> None:
    status, found = told(tmp_path, "{file: {path: it.jsonl}}")
    assert (status, found["outcome"]) == (0, "delivered")
    line = json.loads((tmp_path / "data" / "it.jsonl").read_text())
    assert line["event"]["id"] == found["event"]
    status, output = tried(tmp_path, "{log: {}}")
    assert status == 0
    assert "rule-router.test" in output
    assert "result      delivered" in output
    assert told(tmp_path, "{log: {}}")[1]["outcome"] == "delivered"


@pytest.mark.parametrize("chain", ["true", "{key: {file: key.pem}, every: 1}"])
def test_no_test_record_stands_in_an_audit_chain(tmp_path: Path, chain: str) -> None:
    assert command("audit", "key", "key.pem", cwd=tmp_path).returncode == 0
    (tmp_path / "router.yml").write_text(
        f"{RULE}\ntargets: {{it: {{file: {{path: it.jsonl, chain: {chain}}}}}}}\n"
    )
    done = command("target", "test", "it", cwd=tmp_path)
    assert done.returncode == 2
    assert "it is an audit chain" in done.stderr
    assert "router send" in done.stderr
    assert not (tmp_path / "data").exists()


def test_files_are_left_to_the_router_that_runs(running_house: House) -> None:
    house = running_house
    house.write(RULES + "  lines: {{file: {{path: lines.jsonl}}}}\n")
    done = command("target", "test", "lines", cwd=house.folder)
    assert done.returncode == 2
    assert f"a router runs on {house.data}, and it alone writes its files" in done.stderr
    assert "router deliveries --target lines" in done.stderr
    assert "rule-router.test" not in "".join(one.read_text() for one in house.data.glob("*.jsonl"))
    assert command("target", "test", "hook", cwd=house.folder).returncode == 0
    house.stop()
    assert command("target", "test", "lines", cwd=house.folder).returncode == 0
    assert "rule-router.test" in (house.data / "lines.jsonl").read_text()


def test_a_name_that_nobody_has(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(f"{RULE}\ntargets: {{it: {{log: {{}}}}}}\n")
    done = command("target", "test", "ti", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no target 'ti'" in done.stderr
