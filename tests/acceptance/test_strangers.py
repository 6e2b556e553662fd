"""Who may not send is refused in the sender's dialect: nothing is stored, a counter moves, no secret is told.

A real router, real time; each kind of source is asked by a sender that signs as its cloud does.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from router import samples
from router.operations.address import FILE
from router.signatures import bce, eventbridge, mns
from router.signatures.base import Key
from tests.client import request
from tests.process import RouterProcess
from tests.signatures.acs_signer import signed as acs3
from tests.signatures.certificates import certificate, private_key
from tests.signatures.sigv4_signer import signed as sigv4

SECRETS = ("first-secret-of-two", "second-secret-of-two")
STRANGE = "a-strangers-secret"
FIRST, SECOND = (Key("AK", secret) for secret in SECRETS)
STRANGER = Key("AK", STRANGE)
PUBLIC = "https://router.example.com/alibaba?from=eventbridge"
CERTIFICATE = "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_1.pem"
HOUR = 3600.0

CONFIGURATION = f"""
sources:
  events: {{kind: cloudevents, tokens: &tokens [{SECRETS[0]}, {SECRETS[1]}]}}
  imm: {{kind: alibaba, public_url: "{PUBLIC}", certificate: {{file: both.pem}}, tokens: *tokens}}
  smq: {{kind: alibaba, path: /smq, public_url: "https://r.example.com/smq", certificate: {{file: both.pem}}}}
  api: {{kind: openapi, keys: &keys [{{id: AK, secret: {SECRETS[0]}}}, {{id: AK, secret: {SECRETS[1]}}}]}}
  bos: {{kind: baidu, keys: *keys}}
  ci: {{kind: tencent, tokens: *tokens}}
  aws: {{kind: aws, keys: *keys}}
rules: [{{name: all, match: {{type: [{{exists: true}}]}}, targets: [file]}}]
targets: {{file: {{file: {{path: all.jsonl}}}}}}
"""


@dataclass(frozen=True)
class Sent:
    """A request."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sender:
    """How a kind of sender signs.

    Attributes:
        source: the name of the source.
        sign: makes a request; with a key of the two (0 or 1) or a stranger's (2), signed at a time, seconds
            since the epoch.
        unsigned: takes what signs away.
        statuses: what is answered to what is missing, wrong, expired and altered; None where this sender's
            credentials do not know such a thing.
    """

    source: str
    sign: Callable[[int, float], Sent]
    unsigned: Callable[[Sent], Sent]
    statuses: Sequence[int | None]
    success: int = 200


def sample(cloud: str, name: str) -> bytes:
    return next(one.body for one in samples.load(cloud) if one.name == name)


NUMBER = iter(range(1_000_000))


def event() -> bytes:
    """Another one each time."""
    return json.dumps(
        {"specversion": "1.0", "id": str(next(NUMBER)), "source": "/tests", "type": "test.event", "data": {}}
    ).encode()


def without(*names: str) -> Callable[[Sent], Sent]:
    def unsigned(sent: Sent) -> Sent:
        kept = {name: value for name, value in sent.headers.items() if name not in names}
        return replace(sent, path=sent.path.partition("?token=")[0], headers=kept)

    return unsigned


def cloudevents(which: int, _: float) -> Sent:
    fields = {"content-type": "application/cloudevents+json", "authorization": f"Bearer {secret(which)}"}
    return Sent("/events", event(), fields)


def secret(which: int) -> str:
    return (*SECRETS, STRANGE)[which]


def pushed(version: eventbridge.Version) -> Callable[[int, float], Sent]:
    def sign(which: int, at: float) -> Sent:
        body = event()
        key = private_key(("ours", "next", "strange")[which])
        token = secret(min(which, 1))
        fields = eventbridge.sign(key, CERTIFICATE, PUBLIC, body, at=at, version=version, token=token)
        return Sent("/alibaba?from=eventbridge", body, fields)

    return sign


def queued(which: int, at: float) -> Sent:
    fields = {"content-type": "text/plain", "x-mns-version": "2015-06-06", "x-mns-message-id": "1"}
    body = event()
    key = private_key(("ours", "next", "strange")[which])
    where = "https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem"
    return Sent("/smq", body, mns.sign(key, where, "/smq", fields, body, at=at))


def called(which: int, at: float) -> Sent:
    """PutEvents as ACS3-HMAC-SHA256 signs it."""
    listed = json.dumps([{"Id": str(next(NUMBER)), "Source": "/tests", "Type": "t", "Data": "{}"}])
    body = f"EventBusName=default&EventList={listed}".encode()
    return Sent("/", body, acs3(secret(which), body, at=at))


def stored_object(which: int, at: float) -> Sent:
    body = sample("baidu", "2025.json").replace(b'"log_id"', b'"try":%d,"log_id"' % next(NUMBER), 1)
    fields = {
        "host": "bos.example.com",
        "content-length": str(len(body)),
        "content-type": "application/json",
        "x-bce-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-bce-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
    }
    key = (FIRST, SECOND, STRANGER)[which]
    fields["authorization"] = bce.sign(key, "POST", "/v1/bucket/", "result", fields, at=at, expires=600)
    return Sent("/v1/bucket/?result", body, fields)


def called_back(which: int, _: float) -> Sent:
    body = sample("tencent", "ocr.xml").replace(b"<JobId>", b"<JobId>%d" % next(NUMBER), 1)
    return Sent(f"/tencent?token={secret(which)}", body, {"content-type": "application/xml"})


def put(which: int, at: float) -> Sent:
    entry = {"Source": "tests", "DetailType": "t", "Detail": json.dumps({"n": next(NUMBER)})}
    body = json.dumps({"Entries": [entry]}).encode()
    invocation = {"amz-sdk-invocation-id": str(uuid.uuid4())}
    return Sent("/", body, sigv4((FIRST, SECOND, STRANGER)[which], body, at=at, more=invocation))


SENDERS = {
    "cloudevents": Sender("events", cloudevents, without("authorization"), (401, 401, None, None), 202),
    "eventbridge-v2": Sender(
        "imm", pushed("v2"), without("x-eventbridge-signature-v2"), (401, 403, 401, 403)
    ),
    "eventbridge-v1": Sender("imm", pushed("v1"), without("x-eventbridge-signature"), (401, 403, 401, 403)),
    "eventbridge-token": Sender(
        "imm", pushed("v2"), without("x-eventbridge-signature-token"), (401, 403, 401, 403)
    ),
    "smq": Sender("smq", queued, without("authorization"), (403, 403, 403, 403), 204),
    "openapi": Sender("api", called, without("authorization"), (403, 403, 403, 403)),
    "baidu": Sender("bos", stored_object, without("authorization"), (401, 403, 401, 403)),
    "tencent": Sender("ci", called_back, without(), (401, 403, None, None)),
    "aws": Sender("aws", put, without("authorization"), (400, 400, 400, 400)),
}
senders = pytest.mark.parametrize("sender", SENDERS.values(), ids=list(SENDERS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("strangers")
    (made / "router.yml").write_text(CONFIGURATION)
    now = time.time()
    (made / "both.pem").write_bytes(
        b"".join(certificate(private_key(name), at=now) for name in ("ours", "next"))
    )
    return made


@pytest.fixture(scope="module")
def router(folder: Path) -> Iterator[RouterProcess]:
    with RouterProcess([folder], folder / "data", cwd=folder) as running:
        yield running
        assert running.terminate() == 0
    said = json.dumps(running.log)
    kept = b"".join(file.read_bytes() for file in (folder / "data").rglob("*") if file.is_file())
    for one in (*SECRETS, STRANGE):
        assert one not in said
        assert one.encode() not in kept


def send(router: RouterProcess, sent: Sent) -> int:
    return request("POST", router.url + sent.path, sent.body, sent.headers).status


def asked(router: RouterProcess, folder: Path, what: str) -> dict[str, Any]:
    """What the API says. A public_url has it ask for the token, also on this machine."""
    token = json.loads((folder / "data" / FILE).read_text())["token"]
    reply = request("GET", f"{router.url}/api/v1/{what}", headers={"authorization": f"Bearer {token}"})
    assert reply.status == 200
    return dict(json.loads(reply.body))


class Watch:
    """What came to a source, and how many events there are."""

    def __init__(self, router: RouterProcess, folder: Path, source: str) -> None:
        self._look = partial(asked, router, folder, "status")
        self._source = source
        self.refused, self.events = self._counted()

    def _counted(self) -> tuple[dict[str, int], int]:
        counts = {one["name"]: one for one in self._look()["sources"]}
        return counts[self._source]["refused"], sum(one["events"] for one in counts.values())

    def since(self) -> tuple[dict[str, int], int]:
        """What was refused since, and how many events came."""
        refused, events = self._counted()
        more = {why: count - self.refused.get(why, 0) for why, count in refused.items()}
        return {why: count for why, count in more.items() if count}, events - self.events


@senders
@pytest.mark.parametrize("which", [0, 1])
def test_either_key_lets_in(sender: Sender, which: int, router: RouterProcess, folder: Path) -> None:
    watch = Watch(router, folder, sender.source)
    assert send(router, sender.sign(which, time.time())) == sender.success
    refused, events = watch.since()
    assert (refused, events > 0) == ({}, True)


def altered(sender: Sender) -> Sent:
    """The right signature under another body."""
    mine, other = sender.sign(0, time.time()), sender.sign(0, time.time())
    return replace(mine, body=other.body)


CASES: Mapping[str, tuple[int, Sequence[str], Callable[[Sender], Sent]]] = {
    "missing": (0, ["missing"], lambda one: one.unsigned(one.sign(0, time.time()))),
    "wrong key": (1, ["wrong", "unknown-key"], lambda one: one.sign(2, time.time())),
    "expired": (2, ["expired"], lambda one: one.sign(0, time.time() - HOUR)),
    "of tomorrow": (2, ["expired"], lambda one: one.sign(0, time.time() + HOUR)),
    "another body": (3, ["altered", "wrong"], altered),
}


@senders
@pytest.mark.parametrize("case", CASES)
def test_who_may_not_send_is_refused(sender: Sender, case: str, router: RouterProcess, folder: Path) -> None:
    column, reasons, make = CASES[case]
    status = sender.statuses[column]
    watch = Watch(router, folder, sender.source)
    said = sum(line["event"] == "request.refused" for line in router.log)
    answered = send(router, make(sender))
    refused, events = watch.since()
    if status is None:  # a token says nothing of time or body
        assert (answered, refused) == (sender.success, {})
        return
    assert answered == status
    assert events == 0
    assert [(why in reasons, count) for why, count in refused.items()] == [(True, 1)]
    line = router.wait_for_log("request.refused", count=said + 1)
    assert (line["source"], line["status"]) == (sender.source, status)


def stored(router: RouterProcess, folder: Path) -> int:
    return len(asked(router, folder, "events?most=1000")["events"])


@senders
def test_a_request_that_is_sent_again_within_its_window_is_nothing_new(
    sender: Sender, router: RouterProcess, folder: Path
) -> None:
    sent = sender.sign(0, time.time())
    before = stored(router, folder)
    assert send(router, sent) == sender.success
    once = stored(router, folder)
    assert send(router, sent) == sender.success
    assert before < once == stored(router, folder)


def test_a_reload_that_would_let_strangers_in_is_refused(tmp_path: Path) -> None:
    """The socket stays where it is, whatever the file says of another address."""
    text = "sources: {ci: {kind: tencent, token: t, path: /ci}}\nsettings: {listen: {host: '127.1'}}\n"
    (tmp_path / "router.yml").write_text(text)
    with RouterProcess([tmp_path], tmp_path / "data", cwd=tmp_path) as running:
        (tmp_path / "router.yml").write_text("sources: {ci: {kind: tencent, path: /ci}}")
        running.hang_up()
        assert "anybody could send to 'ci'" in running.wait_for_log("reload.refused")["error"]
        assert request("POST", f"{running.url}/ci", b"{}").status == 401


def test_a_reload_forgets_no_call(tmp_path: Path) -> None:
    """An envelope without Time has the time of the call's first try, also after targets have changed."""
    text = CONFIGURATION.replace("{file: both.pem}", "{file: ours.pem}")
    (tmp_path / "router.yml").write_text(text.replace("kind: aws,", "kind: aws, data: envelope,"))
    (tmp_path / "ours.pem").write_bytes(certificate(private_key(), at=time.time()))
    with RouterProcess([tmp_path], tmp_path / "data", cwd=tmp_path) as running:
        sent = put(0, time.time())
        assert send(running, sent) == 200
        began = int(time.time())
        with (tmp_path / "router.yml").open("a") as file:
            file.write("settings: {body: 2MB}\n")
        running.hang_up()
        running.wait_for_log("router.reloaded")
        while int(time.time()) == began:  # an envelope's time has seconds
            assert request("GET", f"{running.url}/healthz").status == 200
        assert send(running, sent) == 200
        assert stored(running, tmp_path) == 1


def test_who_names_no_token_is_refused_before_the_body_is_taken(router: RouterProcess, folder: Path) -> None:
    parts = urlsplit(router.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as wire:
        wire.sendall(b"POST /tencent HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{")
        assert wire.recv(100).startswith(b"HTTP/1.1 401 ")


def test_entries_that_are_refused_inside_a_success_are_counted_and_told(
    router: RouterProcess, folder: Path
) -> None:
    """Who heeds only the status of PutEvents loses these; here at least one can find out."""
    good = {"Source": "tests", "DetailType": "t", "Detail": "{}"}
    entries = [good, {**good, "Detail": "oops"}, {**good, "Source": ""}, {**good, "Detail": "1"}]
    body = json.dumps({"Entries": entries}).encode()
    watch = Watch(router, folder, "aws")
    assert send(router, Sent("/", body, sigv4(FIRST, body, at=time.time()))) == 200
    assert watch.since() == ({"entry: MalformedDetail": 2, "entry: InvalidArgument": 1}, 1)
    line = router.wait_for_log("request.entries_refused")
    assert (line["source"], line["entries"]) == ("aws", {"MalformedDetail": 2, "InvalidArgument": 1})
