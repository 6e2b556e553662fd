"""The settings of connections, as `check` reads them, and what it warns of."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.report import Report
from router.config.yaml import read
from router.targets.connection import ConnectionSettings
from router.targets.network.connection import Connection
from router.targets.registry import installed_kinds
from router.targets.spec import read_targets
from tests.certificates import Authority
from tests.cli.operating import command


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def settings(text: str, folder: Path = Path()) -> tuple[ConnectionSettings | None, list[str]]:
    document, problems = read(f"targets:\n  a:\n    http: {text}".encode(), str(folder / "x.yml"))
    assert problems == []
    report = Report()
    spec = read_targets([document], installed_kinds(), {}, report)["a"]
    found = None if spec is None else spec.settings
    assert found is None or isinstance(found, ConnectionSettings)
    return found, [problem.message for problem in report.problems]


def connection(text: str, folder: Path = Path()) -> Connection:
    found, problems = settings(text, folder)
    assert problems == []
    assert found is not None
    return found.connection(loopback=False)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "{url: 'http://10.0.0.5/'}",
            "url: its address is private (RFC 1918), and never connected to: add it",
        ),
        ("{url: 'http://0xa9fea9fe/'}", "the metadata address of AWS"),
        (
            "{url: 'http://[::ffff:10.0.0.5]/'}",
            "the IPv4-mapped (RFC 4291) form of 10.0.0.5, which is private",
        ),
        ("{url: 'http://[fe80::1]/', allow: [10.0.0.0/8]}", "link-local"),
        ("{url: 'http://a.test/', proxy: {url: 'http://192.168.0.1:3128'}}", "private (RFC 1918)"),
        ("{url: 'http://a.test@10.0.0.5/'}", "no user name"),
        ("{url: 'http://a.test/', allow: [a.test]}", "is no network: write 10.0.0.0/8"),
        ("{url: 'http://a.test/', allow: [10.0.0.5/8]}", "has bits beyond its prefix; 10.0.0.0/8 is meant"),
        ("{url: 'http://a.test/', proxy: {url: 'http://me:x@b.test'}}", "have keys of their own"),
        ("{url: 'http://a.test/', proxy: {url: 'http://b.test/path'}}", "ends behind its port"),
        ("{url: 'http://a.test/', proxy: {url: 'http://b.test', user: me}}", "belong together"),
        ("{url: 'http://a.test/', tls: {verify: false}}", "peers are always verified"),
        ("{url: 'http://a.test/', tls: {ca: nonsense}}", "holds no certificate in PEM"),
        ("{url: 'http://a.test/', tls: {key: nonsense}}", "certificate and key belong together"),
        ("{url: 'http://a.test/', tls: {minimum: '1.1'}}", "minimum"),
        ("{url: 'http://a.test/', connect_timeout: 0s}", "connect_timeout"),
    ],
)
def test_what_is_wrong_is_said(text: str, fault: str) -> None:
    _, (problem,) = settings(text)
    assert fault in problem


@pytest.mark.parametrize(
    "text",
    [
        "{url: 'http://10.0.0.5/', allow: [10.0.0.0/8]}",
        "{url: 'http://10.0.0.5/', allow: [10.0.0.5]}",
        "{url: 'http://[fd00::5]/', allow: ['fd00::/8']}",
        "{url: 'http://[::ffff:10.0.0.5]/', allow: [10.0.0.0/8]}",
        "{url: 'http://intern.example/'}",  # it is looked at when it is connected to
        "{url: 'http://127.0.0.1/'}",  # what the router listens on is not known here
    ],
)
def test_what_is_allowed_or_not_known_yet_passes(text: str) -> None:
    assert settings(text)[1] == []


def test_everything_that_is_said_reaches_the_sender(authority: Authority, tmp_path: Path) -> None:
    me = authority.issue("router")
    me.write(tmp_path, "client")
    (tmp_path / "ca.pem").write_text(authority.pem)
    made = connection(
        "{url: 'https://a.test/', connect_timeout: 2s, allow: [10.0.0.0/8], "
        "tls: {ca: {file: ca.pem}, certificate: {file: client.pem}, key: {file: client.key}, "
        "minimum: '1.3'}, proxy: {url: 'http://b.test:3128', user: me, password: geheim}}",
        tmp_path,
    )
    assert (made.connect, [str(one) for one in made.policy.allow]) == (2.0, ["10.0.0.0/8"])
    assert made.tls.ca.decode().strip() == authority.pem.strip()
    assert made.tls.certificate.decode().strip() == me.certificate.strip()
    assert (made.tls.key.decode().strip(), made.tls.minimum) == (me.key.strip(), "1.3")
    assert made.proxy is not None
    assert (made.proxy.url, made.proxy.user, made.proxy.password) == ("http://b.test:3128/", "me", "geheim")
    assert not {"geheim", "PRIVATE"} & set(repr(made).replace("'", " ").split())


def test_a_key_that_is_anothers_is_refused(authority: Authority, tmp_path: Path) -> None:
    authority.issue("router").write(tmp_path, "client")
    authority.issue("router").write(tmp_path, "other")
    text = "{url: 'https://a.test/', tls: {certificate: {file: client.pem}, key: {file: other.key}}}"
    _, (problem,) = settings(text, tmp_path)
    assert "the key is not that of the first certificate" in problem


RULE = 'rules: [{name: a, match: {type: "*"}, targets: [one], tests: [{event: {type: x}, expect: match}]}]'


def warnings(folder: Path, target: str, host: str) -> str:
    text = f"{RULE}\ntargets: {{one: {{http: {target}}}}}\nsettings: {{listen: {{host: {host}}}}}\n"
    (folder / "router.yml").write_text(text)
    done = command("check", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_check_warns_of_this_machine_where_others_reach_the_router(tmp_path: Path) -> None:
    target = "{url: 'http://localhost:1/'}"
    assert warnings(tmp_path, target, "127.0.0.1") == ""
    said = warnings(tmp_path, target, "0.0.0.0")
    assert said.count("warning") == 2  # nobody is verified, either
    assert "warning: targets.one.http.url: leads to this machine" in said
    assert "add 127.0.0.1 to `allow`" in said
    assert (
        warnings(tmp_path, "{url: 'http://localhost:1/', allow: [127.0.0.1]}", "0.0.0.0").count("warning")
        == 1
    )


def test_check_says_that_names_are_the_proxys_business(tmp_path: Path) -> None:
    target = "{url: 'http://a.test/', proxy: {url: 'http://proxy.example:3128'}}"
    said = warnings(tmp_path, target, "127.0.0.1")
    assert "warning: targets.one.http.proxy: resolves the target's name itself" in said


def asking(token_url: str, more: str = "") -> str:
    oauth = f"{{token_url: '{token_url}', client_id: me, client_secret: geheim}}"
    return f"{{url: 'https://a.test/', auth: {{oauth: {oauth}}}{more}}}"


@pytest.mark.parametrize("host", ["10.0.0.5", "0x0a.5", "169.254.169.254", "[::ffff:10.0.0.5]"])
def test_where_tokens_are_fetched_is_vetted_like_the_address_itself(host: str, tmp_path: Path) -> None:
    made, (problem,) = settings(asking(f"https://{host}/token"), tmp_path)
    assert made is None
    assert "oauth.token_url: its address is " in problem
    assert "never connected to: add it to `allow`" in problem
    made, problems = settings(asking(f"https://{host}/token", ", allow: [0.0.0.0/0, '::/0']"), tmp_path)
    assert (made is not None, problems) == (True, [])


def test_check_warns_of_a_token_server_that_is_this_machine(tmp_path: Path) -> None:
    target = asking("http://127.0.0.1:1/token")
    assert warnings(tmp_path, target, "127.0.0.1") == ""
    said = warnings(tmp_path, target, "0.0.0.0")
    assert "router.yml:2:" in said
    assert "warning: targets.one.http.auth.oauth.token_url: leads to this machine" in said


def test_check_warns_of_a_secret_that_is_sent_in_the_open(tmp_path: Path) -> None:
    said = warnings(tmp_path, asking("http://tokens.test/"), "127.0.0.1")
    assert "targets.one.http.auth.oauth.token_url: the client's secret goes there unencrypted" in said
    for target in (
        asking("https://tokens.test/"),
        asking("http://10.1.2.3/", ", allow: [10.0.0.0/8]"),
        asking("http://localhost/"),
    ):
        assert warnings(tmp_path, target, "127.0.0.1") == ""


def test_check_warns_of_this_machine_where_a_proxy_takes_it_for_its_own(tmp_path: Path) -> None:
    elsewhere = ", proxy: {url: 'http://proxy.example:3128'}"
    target = asking("http://127.0.0.1:1/token", elsewhere).replace("https://a.test/", "https://localhost/")
    said = warnings(tmp_path, target, "127.0.0.1")
    for key in ("url", "auth.oauth.token_url"):
        assert f"targets.one.http.{key}: is the proxy's own machine, and not this one" in said
    assert "targets.one.http.auth.oauth.token_url: the client's secret goes there unencrypted" in said
    # What stands on this machine itself, or is no proxy's business, raises no such doubt.
    here = elsewhere.replace("proxy.example", "127.0.0.1")
    for other in (target.replace(elsewhere, here), asking("https://tokens.test/", elsewhere)):
        said = warnings(tmp_path, other, "127.0.0.1")
        assert "own machine" not in said
        assert "unencrypted" not in said


def test_check_warns_of_tls_that_nothing_is_sent_over(tmp_path: Path) -> None:
    tls = "tls: {minimum: '1.3'}"
    said = warnings(tmp_path, f"{{url: 'http://a.test/', {tls}}}", "127.0.0.1")
    assert "warning: targets.one.http.tls: has no effect, because nothing is sent over TLS" in said
    for target in (
        f"{{url: 'https://a.test/', {tls}}}",
        f"{{url: 'http://a.test/', {tls}, proxy: {{url: 'https://proxy.test'}}}}",
        asking("https://tokens.test/", f", {tls}").replace("https://a.test/", "http://a.test/"),
    ):
        assert "has no effect" not in warnings(tmp_path, target, "127.0.0.1")
