"""While the store is full, each cloud hears its own word for "later"; what its own retries make of that.

The clouds are their emulators, signing, at a hundred times their speed. Nothing may be missing or doubled
once there is room. Tencent, of whom no retries are known, has a reserve; beyond it, what it sends is lost.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from router import samples
from router.signatures.base import Key
from tests.client import request
from tests.emulator import EmulatorProcess
from tests.process import RouterProcess
from tests.signatures.acs_signer import signed as acs3
from tests.signatures.sigv4_signer import signed as sigv4

PUBLIC = "https://router.example.com/alibaba"
KEY = {"id": "AK", "secret": "s3cret"}
TOKEN = "t0ken"
ENVIRON = {
    "ROUTER_EMULATE_KEY_ID": KEY["id"],
    "ROUTER_EMULATE_SECRET": KEY["secret"],
    "ROUTER_EMULATE_TOKEN": TOKEN,
}
SMALL, ROOMY = "20MB", "200MB"


def certified(folder: Path) -> tuple[Path, Path]:
    """A private key and its certificate, in files."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "emulated")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private, public = folder / "private.pem", folder / "certificate.pem"
    none = serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none)
    )
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return private, public


class House:
    """A deployment that verifies all three clouds, and whose store is to be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "deployment"
        self.folder.mkdir()
        self.private, self._certificate = certified(folder)
        self._data = folder / "data"
        self.quota(SMALL)
        self.router = RouterProcess([self.folder], self._data)

    def quota(self, quota: str) -> None:
        """Say how much the store may take."""
        content = {
            "sources": {
                "events": {"kind": "cloudevents", "token": TOKEN},
                "imm": {
                    "kind": "alibaba",
                    "public_url": PUBLIC,
                    "token": TOKEN,
                    "certificate": {"file": str(self._certificate)},
                },
                "bos": {"kind": "baidu", "keys": [KEY]},
                "ci": {"kind": "tencent", "token": TOKEN},
                "aws": {"kind": "aws", "keys": [KEY]},
                "api": {"kind": "openapi", "keys": [KEY]},
            },
            "rules": [
                {
                    "name": "clouds",
                    "match": {"type": [{"anything-but": "filler"}]},
                    "targets": ["audit"],
                }
            ],
            "targets": {"audit": {"file": {"path": "audit.jsonl"}}},
            "settings": {"quota": quota, "archive": {"most": "10MB"}},
        }
        (self.folder / "router.yml").write_text(json.dumps(content))

    def fill(self) -> None:
        """Send until no more is taken, not even a little."""
        number = 0
        for size in (200_000, 10_000, 1):
            status = 202
            while status == 202:
                number += 1
                event = {"specversion": "1.0", "id": str(number), "source": "/tests", "type": "filler"}
                body = json.dumps(event | {"data": "x" * size}).encode()
                fields = {"content-type": "application/cloudevents+json", "authorization": f"Bearer {TOKEN}"}
                status = request("POST", f"{self.router.url}/events", body, fields).status
            assert status == 429

    def make_room(self) -> None:
        """Let the store take ten times as much."""
        self.quota(ROOMY)
        self.router.wait_for_log("router.reloaded", 30)

    def emulate(self, cloud: str, *options: str) -> EmulatorProcess:
        """Send as this cloud, to its path."""
        if cloud == "alibaba":
            options = ("--private-key", str(self.private), "--public-url", PUBLIC, *options)
        where = ("--to", self.router.url, "--speed", "100")
        return EmulatorProcess(cloud, *where, *options, environ=ENVIRON)

    def audited(self) -> list[dict[str, Any]]:
        """All that was delivered, after the router has ended."""
        assert self.router.terminate() == 0
        file = self._data / "audit.jsonl"
        return [json.loads(line)["event"] for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    with made.router:
        yield made


IMM = Counter(json.loads(sample.body)["type"] for sample in samples.load("alibaba"))
BOS = Counter(
    {
        "com.baidubce.bos.ImageOcr": 2,
        "com.baidubce.bos.ImageClassify": 2,
        "com.baidubce.bos.PutObject": 1,
    }
)


@pytest.mark.parametrize(
    ("cloud", "options", "later", "expected"),
    [
        ("alibaba", ("--retry", "decay"), 503, IMM),
        ("baidu", (), 429, BOS),
    ],
)
def test_the_clouds_own_retries_bring_everything_in_once(
    cloud: str, options: tuple[str, ...], later: int, expected: Counter[str], house: House
) -> None:
    house.fill()
    requests = len(samples.load(cloud))
    with house.emulate(cloud, *options) as emulator:
        emulator.wait_for(lambda told: told["attempt"] >= 2, requests)
        turned_away = list(emulator.told)
        assert {told["status"] for told in turned_away} == {later}
        assert {told["then"] for told in turned_away} == {"again"}
        if cloud == "baidu":
            assert {told["pause"] for told in turned_away} == {5.0}  # the Retry-After
        house.make_room()
        assert emulator.wait(60) == 0
        taken = [told["event"] for told in emulator.told if told["then"] == "taken"]
    assert len(taken) == len(set(taken)) == requests
    events = house.audited()
    assert Counter(event["type"] for event in events) == expected
    assert len({event["id"] for event in events}) == expected.total()


def cloudevents() -> tuple[bytes, dict[str, str]]:
    event = {"specversion": "1.0", "id": "1", "source": "/tests", "type": "test.event"}
    fields = {"content-type": "application/cloudevents+json", "authorization": f"Bearer {TOKEN}"}
    return json.dumps(event).encode(), fields


def put_events() -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"Entries": [{"Source": "tests", "DetailType": "test.event", "Detail": "{}"}]}).encode()
    invocation = {"amz-sdk-invocation-id": "aa1b0bcb-0001-4f6e-9d5c-000000000001"}
    return body, sigv4(Key(**KEY), body, at=time.time(), more=invocation)


def put_events_of_alibaba() -> tuple[bytes, dict[str, str]]:
    listed = json.dumps([{"Id": "1", "Source": "/tests", "Type": "test.event", "Data": "{}"}])
    body = f"EventBusName=default&EventList={listed}".encode()
    return body, acs3(KEY["secret"], body, at=time.time())


@pytest.mark.parametrize(
    ("make", "path", "success", "later", "word"),
    [
        (cloudevents, "/events", 202, 429, "overloaded"),
        (put_events, "/", 200, 400, "ThrottlingException"),
        (put_events_of_alibaba, "/", 200, 429, "TooManyRequests"),
    ],
)
def test_other_senders_hear_when_to_come_again_and_nothing_is_doubled(
    make: Callable[[], tuple[bytes, dict[str, str]]],
    path: str,
    success: int,
    later: int,
    word: str,
    house: House,
) -> None:
    house.fill()
    body, fields = make()
    for _ in range(3):
        reply = request("POST", house.router.url + path, body, fields)
        assert (reply.status, word in reply.body.decode()) == (later, True)
        assert int(reply.headers["retry-after"]) > 0
    house.make_room()
    for _ in range(2):  # the answer to the first one was lost, say
        assert request("POST", house.router.url + path, body, fields).status == success
    assert [event["type"] for event in house.audited()] == ["test.event"]


def test_eventbridges_usual_policy_gives_up_within_a_minute(house: House) -> None:
    house.fill()
    with house.emulate("alibaba") as emulator:
        assert emulator.wait(60) == 1
        lost = [told for told in emulator.told if told["then"] == "lost"]
    assert {told["attempt"] for told in lost} == {4}
    assert len(lost) == IMM.total()
    assert house.audited() == []


def test_tencent_has_a_reserve_and_beyond_it_callbacks_are_lost(house: House) -> None:
    house.fill()
    each = len(samples.load("tencent"))
    with house.emulate("tencent") as emulator:
        assert emulator.wait(60) == 0  # while others hear 429
    with house.emulate("tencent", "--repeat", "100") as emulator:
        assert emulator.wait(120) == 1
        then = Counter((told["status"], told["then"]) for told in emulator.told)
        assert {told["attempt"] for told in emulator.told} == {1}  # nobody comes again
    assert then.keys() == {(200, "taken"), (503, "lost")}
    house.make_room()
    with house.emulate("tencent") as emulator:
        assert emulator.wait(60) == 0
    events = house.audited()
    assert len(events) == each + then[200, "taken"] + each  # what was lost does not appear, nothing twice
    assert len({event["id"] for event in events}) == len(events)
