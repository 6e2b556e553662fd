"""Who may push: tokens, signatures, and whose certificates are believed."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from router.config.report import Report
from router.config.shapes import validate
from router.config.yaml import read
from router.events import EventError
from router.signatures import eventbridge, mns
from router.signatures.base import Reason, SignatureError
from router.sources.alibaba import AlibabaSettings, AlibabaSource
from router.sources.alibaba_certificates import REGIONS
from router.sources.alibaba_learnt import MOST, PAUSE
from router.sources.base import Request, Wanted
from tests.signatures.certificates import NOW, certificate, private_key
from tests.signatures.smq_push import GENUINE, GENUINE_CERTIFICATE

KEY = private_key()
PEM = certificate(KEY)
HOST = "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com"
CERTIFICATE = f"{HOST}/x509_public_certificate_2021012501.pem"
OF_SMQ = "https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem"
URL = "https://router.example.com/alibaba"
BODY = b'{"specversion":"1.0","id":"1","source":"acs.imm","type":"imm:Task:X"}'


def source(**settings: Any) -> AlibabaSource:
    return AlibabaSource(AlibabaSettings.model_validate({"kind": "alibaba", **settings}))


def pinned(**settings: Any) -> AlibabaSource:
    return source(public_url=URL, certificate=PEM.decode(), **settings)


def push(
    headers: dict[str, str], body: bytes = BODY, *, query: str = "", now: float = NOW, path: str = "/alibaba"
) -> Request:
    return Request("POST", path, query, headers, body, now)


def signed(**given: Any) -> dict[str, str]:
    """The headers of EventBridge's push."""
    given = {"at": NOW, **given}
    url, body = given.pop("url", URL), given.pop("body", BODY)
    key, named = given.pop("key", KEY), given.pop("certificate", CERTIFICATE)
    return eventbridge.sign(key, named, url, body, **given)


def queued(resource: str = "/alibaba", **given: Any) -> dict[str, str]:
    """The headers of SMQ's push."""
    key, named = given.pop("key", KEY), given.pop("certificate", OF_SMQ)
    headers = {
        "content-type": "text/xml;charset=utf-8",
        "x-mns-request-id": "5745",
        "x-mns-version": "2015-06-06",
    }
    return mns.sign(key, named, resource, headers, given.pop("body", BODY), at=NOW)


def why(asked: AlibabaSource, request: Request) -> tuple[Reason, int]:
    with pytest.raises(SignatureError) as caught:
        asked.admit(request)
    message = caught.value.message
    assert not [value for value in request.headers.values() if len(value) > 9 and value in message]
    assert "t0ken" not in message
    return caught.value.reason, caught.value.status


def test_without_settings_it_is_open() -> None:
    assert not source().verifies
    source().admit(push({}))
    assert not source(keys=[{"id": "AK", "secret": "SK"}]).verifies


def test_a_token_alone_is_asked_for() -> None:
    asked = source(token="t0ken-1", tokens=["t0ken-2"])
    assert asked.verifies
    for token in ("t0ken-1", "t0ken-2"):
        asked.admit(push({eventbridge.TOKEN: token}))
        asked.admit(push({}, query=f"a=b&token={token}"))
    asked.admit(push({"x-mns-version": "1"}, query="token=t0ken-1"))
    assert why(asked, push({})) == (Reason.MISSING, 401)
    assert why(asked, push({}, query="token=")) == (Reason.MISSING, 401)
    assert why(asked, push({"x-mns-version": "1"})) == (Reason.MISSING, 403)
    assert why(asked, push({eventbridge.TOKEN: "other"})) == (Reason.WRONG, 403)
    assert why(asked, push({eventbridge.TOKEN: "other"}, query="token=t0ken-1")) == (Reason.WRONG, 403)
    assert why(asked, push({}, query="token=t0ken-3")) == (Reason.WRONG, 403)
    assert why(asked, push({}, query="token=%ff")) == (Reason.WRONG, 403)


def test_a_plus_in_the_address_is_a_plus() -> None:
    """As for every other source that takes a token there."""
    asked = source(token="aGVs+bG8=")
    asked.admit(push({"x-mns-version": "1"}, query="token=aGVs+bG8="))
    asked.admit(push({}, query="a=b&token=aGVs%2BbG8%3D"))
    assert why(source(token="a b"), push({}, query="token=a+b")) == (Reason.WRONG, 403)


def test_a_token_may_hold_any_character() -> None:
    asked = source(token="tökén ")
    asked.admit(push({eventbridge.TOKEN: "tökén ".encode().decode("latin-1")}))
    asked.admit(push({}, query="token=t%C3%B6k%C3%A9n%20"))


FORGED = {
    "ce-specversion": "1.0",
    "ce-id": "forged",
    "ce-source": "/payments",
    "ce-type": "com.bank.transfer",
    "content-type": "application/json",
}


@pytest.mark.parametrize("body", [BODY, b"[" + BODY + b"]"], ids=["structured", "batch"])
def test_headers_that_are_not_signed_make_no_other_event(body: bytes) -> None:
    asked = pinned()
    request = push({**signed(body=body), **FORGED}, body)
    asked.admit(request)
    assert asked.read(request).readings == asked.read(push(signed(body=body), body)).readings
    (reading,) = asked.read(request).readings
    assert (reading.event.id, reading.event.type) == ("1", "imm:Task:X")


@pytest.mark.parametrize("body", [b'{"amount": 1}', b"text", b""])
def test_attributes_that_are_not_signed_make_no_event_at_all(body: bytes) -> None:
    with pytest.raises(EventError, match="no signature covers"):
        pinned().read(push({**signed(body=body), **FORGED}, body))
    # Without them it is a text that a transformation made; with a token alone, they count.
    assert pinned().read(push(signed(body=b"text"), b"text")).readings[0].notes == ("no-cloudevent",)
    (reading,) = source(public_url=URL, signature=False, token="t0ken").read(push(FORGED, b"{}")).readings
    assert reading.event.type == "com.bank.transfer"


def test_what_is_wrong_with_a_signed_event_is_said_whatever_stands_beside_it() -> None:
    body = BODY.replace(b'"imm:Task:X"', b"7")
    with pytest.raises(EventError, match="type: "):
        pinned().read(push({**signed(body=body), **FORGED}, body))


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("newline", [False, True])
def test_a_signed_push_is_let_in(version: eventbridge.Version, newline: bool) -> None:
    asked = pinned(token="t0ken")
    headers = signed(version=version, newline=newline, token="t0ken")
    asked.admit(push(headers))
    assert why(asked, push(headers, BODY + b" ")) == (Reason.WRONG, 403)
    assert why(asked, push(headers, now=NOW + 61)) == (Reason.EXPIRED, 401)
    assert why(asked, push({})) == (Reason.MISSING, 401)
    assert why(asked, push({eventbridge.TOKEN: "t0ken"})) == (Reason.MISSING, 401)
    # The token is asked for beside the signature.
    assert why(asked, push(signed(version=version))) == (Reason.MISSING, 401)
    assert why(asked, push(signed(version=version, token="an0ther"))) == (Reason.WRONG, 403)


def test_version_1_counts_only_beside_a_token() -> None:
    pinned().admit(push(signed()))
    assert why(pinned(), push(signed(version="v1"))) == (Reason.UNFIT, 401)


def test_the_address_is_that_of_the_settings_with_the_query_that_came() -> None:
    asked = pinned(token="t0ken")
    headers = signed(url=f"{URL}?token=t0ken")
    asked.admit(push(headers, query="token=t0ken", path="/behind/a/proxy"))
    assert why(asked, push(headers, query="token=t0ken&more=1")) == (Reason.WRONG, 403)
    exact = source(public_url=f"{URL}?a=1", certificate=PEM.decode())
    exact.admit(push(signed(url=f"{URL}?a=1"), query="a=1"))
    assert why(exact, push(signed(), query="a=1")) == (Reason.WRONG, 403)


def test_signatures_can_be_left_to_others() -> None:
    asked = source(public_url=URL, signature=False, token="t0ken")
    asked.admit(push({eventbridge.TOKEN: "t0ken"}))
    assert not source(public_url=URL, signature=False).verifies


def test_two_certificates_may_be_pinned() -> None:
    theirs = private_key("theirs")
    asked = source(public_url=URL, certificate=(certificate(theirs) + PEM).decode())
    asked.admit(push(signed()))
    asked.admit(push(signed(key=theirs)))
    assert why(asked, push(signed(key=private_key("a third")))) == (Reason.WRONG, 403)


def test_a_pinned_certificate_counts_whatever_its_dates_and_whatever_a_push_names() -> None:
    old = certificate(KEY, at=NOW - 1e9).decode()
    source(public_url=URL, certificate=old).admit(push(signed(certificate="http://localhost/x")))


def learnt(asked: AlibabaSource, request: Request, content: bytes = PEM) -> str:
    """Give it what it wants to know about a request; returns the address."""
    with pytest.raises(Wanted) as caught:
        asked.admit(request)
    caught.value.learn(content)
    return caught.value.url


def test_a_certificate_is_wanted_once() -> None:
    asked = source(public_url=URL)
    assert learnt(asked, push(signed())) == CERTIFICATE
    asked.admit(push(signed()))
    assert why(asked, push(signed(key=private_key("theirs")))) == (Reason.WRONG, 403)
    other = f"{HOST}/x509_public_certificate_2.pem"
    assert learnt(asked, push(signed(certificate=other))) == other


OF_A_CURVE = certificate(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", PEM[:200], b"\xff", OF_A_CURVE])
def test_what_is_no_certificate_is_fetched_again_next_time(content: bytes) -> None:
    asked = source(public_url=URL)
    learnt(asked, push(signed()), content)
    assert why(asked, push(signed())) == (Reason.UNFIT, 401)
    learnt(asked, push(signed()))
    asked.admit(push(signed()))


@pytest.mark.parametrize("at", [NOW - 86_400 * 40, NOW + 86_400 * 40])
def test_a_certificate_that_does_not_count_today_is_refused(at: float) -> None:
    asked = source(public_url=URL)
    learnt(asked, push(signed()), certificate(KEY, at=at))
    assert why(asked, push(signed())) == (Reason.UNFIT, 401)


def numbered(index: int) -> str:
    return f"{HOST}/x509_public_certificate_{index}.pem"


STRANGER = private_key("stranger")
"""Signs what names others' certificates; nobody's fits it."""


def test_some_certificates_are_remembered_that_no_push_fits() -> None:
    asked = source(public_url=URL)
    for index in range(MOST + 1):
        learnt(asked, push(signed(key=STRANGER, certificate=numbered(index))))
    asked.admit(push(signed(certificate=numbered(1))))
    learnt(asked, push(signed(certificate=numbered(0))))


def test_strangers_cannot_have_one_forgotten_that_a_push_fits() -> None:
    asked = source(public_url=URL)
    learnt(asked, push(signed()))
    asked.admit(push(signed()))
    for index in range(2 * MOST):
        learnt(asked, push(signed(key=STRANGER, certificate=numbered(index))))
    asked.admit(push(signed()))


def test_of_those_that_fit_the_ones_in_use_are_remembered() -> None:
    asked = source(public_url=URL)
    for index in range(MOST + 1):
        learnt(asked, push(signed(certificate=numbered(index))))
        asked.admit(push(signed(certificate=numbered(index))))
        if index < MOST:
            asked.admit(push(signed(certificate=numbered(0))))
    asked.admit(push(signed(certificate=numbered(0))))
    learnt(asked, push(signed(certificate=numbered(1))))


def test_a_certificate_that_has_ended_is_fetched_again() -> None:
    asked = source(public_url=URL)
    learnt(asked, push(signed()))
    late = NOW + 86_400 * 31
    assert learnt(asked, push(signed(at=late), now=late), PEM) == CERTIFICATE
    assert why(asked, push(signed(at=late), now=late)) == (Reason.UNFIT, 401)
    later = late + PAUSE - 1
    assert why(asked, push(signed(at=later), now=later)) == (Reason.UNFIT, 401)
    later += 1
    learnt(asked, push(signed(at=later), now=later), certificate(KEY, at=later))
    asked.admit(push(signed(at=later), now=later))


@pytest.mark.parametrize("of_smq", [False, True])
def test_another_certificate_at_the_same_address_is_found(of_smq: bool) -> None:
    def request(key: Any, now: float) -> Request:
        return push(queued(key=key), now=now) if of_smq else push(signed(key=key, at=now), now=now)

    asked = source(public_url=URL)
    learnt(asked, request(KEY, NOW))
    asked.admit(request(KEY, NOW))
    successor = private_key("theirs")
    assert why(asked, request(successor, NOW + 1)) == (Reason.WRONG, 403)
    later = NOW + PAUSE
    url = learnt(asked, request(successor, later), certificate(successor))
    assert url == (OF_SMQ if of_smq else CERTIFICATE)
    asked.admit(request(successor, later))
    assert why(asked, request(KEY, later)) == (Reason.WRONG, 403)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", PEM])
def test_a_stranger_has_it_fetched_at_most_every_five_minutes(content: bytes) -> None:
    asked = source(public_url=URL)
    learnt(asked, push(signed()))
    later = NOW + PAUSE
    forged = push(signed(key=STRANGER, at=later), now=later)
    learnt(asked, forged, content)
    for _ in range(3):
        assert why(asked, forged) == (Reason.WRONG, 403)
    asked.admit(push(signed(at=later), now=later))  # whatever was there, what served does so still


def test_a_pinned_certificate_is_never_fetched() -> None:
    late = NOW + 10 * PAUSE
    assert why(pinned(), push(signed(key=STRANGER, at=late), now=late)) == (Reason.WRONG, 403)


PEM_NAME = "/x509_public_certificate_1.pem"
FOREIGN = [
    "https://foo-eventbridge.oss-accelerate.aliyuncs.com" + PEM_NAME,
    "https://cn-hangzhou1-eventbridge.oss-accelerate.aliyuncs.com" + PEM_NAME,
    "https://evil-cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com" + PEM_NAME,
    "https://-eventbridge.oss-accelerate.aliyuncs.com" + PEM_NAME,
    "https://eventbridge.oss-accelerate.aliyuncs.com" + PEM_NAME,
    "http" + HOST[5:] + PEM_NAME,
    HOST + ":443" + PEM_NAME,
    HOST + "." + PEM_NAME,
    HOST + ".evil.example" + PEM_NAME,
    HOST + "@evil.example" + PEM_NAME,
    HOST + "\\@evil.example" + PEM_NAME,
    "https://user@" + HOST[8:] + PEM_NAME,
    "https://evil.example/" + HOST[8:] + PEM_NAME,
    "https://evil.example#" + HOST[8:] + PEM_NAME,
    HOST.upper() + PEM_NAME,
    HOST + PEM_NAME + "?x=1",
    HOST + PEM_NAME + "#x",
    HOST + PEM_NAME + "\n",
    " " + HOST + PEM_NAME,
    HOST + "/x509_public_certificate_/../evil.pem",
    HOST + "/evil.pem",
    HOST + "/x509_public_certificate" + "a" * 65 + ".pem",
    HOST.replace("cn", "\u217dn") + PEM_NAME,
    OF_SMQ,
    "",
]


@pytest.mark.parametrize("named", FOREIGN)
def test_certificates_from_elsewhere_are_not_even_fetched(named: str) -> None:
    headers = signed() | {eventbridge.URL: named}
    assert why(source(public_url=URL), push(headers))[0] in (Reason.UNFIT, Reason.MISSING)


def test_the_regions_can_be_chosen() -> None:
    assert len(REGIONS) == 26
    only = source(public_url=URL, regions=["cn-new-1"])
    assert why(only, push(signed())) == (Reason.UNFIT, 401)
    new = "https://cn-new-1-eventbridge.oss-accelerate.aliyuncs.com" + PEM_NAME
    assert learnt(only, push(signed(certificate=new))) == new


def test_a_message_of_smq_is_let_in_by_its_signature() -> None:
    asked = pinned()
    asked.admit(push(queued()))
    asked.admit(push(queued(), path="/behind/a/proxy"))
    asked.admit(push(queued(), query="a=1"))
    asked.admit(push(queued("/alibaba?a=1"), query="a=1"))
    assert why(asked, push(queued(), b"other")) == (Reason.ALTERED, 403)
    assert why(asked, push(queued(key=private_key("theirs")))) == (Reason.WRONG, 403)
    assert why(asked, push(queued("/other"))) == (Reason.WRONG, 403)
    assert why(asked, push(queued(), now=NOW + 901)) == (Reason.EXPIRED, 403)
    assert why(asked, push({"x-mns-version": "2015-06-06"})) == (Reason.MISSING, 403)


def test_a_message_needs_the_token_in_its_address() -> None:
    asked = pinned(token="t0ken")
    asked.admit(push(queued(), query="token=t0ken"))
    assert why(asked, push(queued())) == (Reason.MISSING, 403)


@pytest.mark.parametrize(
    "named",
    [
        OF_SMQ + "?x",
        OF_SMQ.replace("mnstest", "mnstest2"),
        OF_SMQ.replace("hangzhou", "shanghai"),
        OF_SMQ.replace("https://", "ftp://"),
        OF_SMQ.replace("https://", "https://evil@"),
        CERTIFICATE,
    ],
)
def test_certificates_of_smq_are_kept_in_one_place(named: str) -> None:
    assert why(source(public_url=URL), push(queued(certificate=named))) == (Reason.UNFIT, 403)


def test_the_certificate_of_smq_is_fetched_safely_and_may_be_old() -> None:
    asked = source(public_url=URL)
    request = push(queued(certificate=OF_SMQ.replace("https", "http")))
    assert learnt(asked, request, certificate(KEY, at=NOW - 1e9)) == OF_SMQ
    asked.admit(request)


def test_a_key_that_can_be_broken_counts_only_beside_a_token() -> None:
    """SMQ's own, in a push of 2023: 512 bits, and ended in 2016."""
    moment = parsedate_to_datetime(GENUINE["date"]).timestamp()
    url = "https://router.example.com/notifications"

    def sent(query: str) -> Request:
        return Request("POST", "/notifications", query, GENUINE, b"not what it held", moment)

    asked = source(public_url=url)
    assert learnt(asked, sent(""), GENUINE_CERTIFICATE) == OF_SMQ
    assert why(asked, sent("")) == (Reason.UNFIT, 403)
    asked = source(public_url=url, token="t0ken")
    learnt(asked, sent("token=t0ken"), GENUINE_CERTIFICATE)
    assert why(asked, sent("token=t0ken")) == (Reason.ALTERED, 403)  # the signature fits
    asked = source(public_url=url, certificate=GENUINE_CERTIFICATE.decode())
    assert why(asked, sent("")) == (Reason.ALTERED, 403)


def settings(text: str, folder: Path) -> tuple[AlibabaSettings | None, list[str]]:
    report = Report()
    document, _ = read(text.encode(), str(folder / "router.yml"))
    found = validate(AlibabaSettings, document.value, document, (), report)
    return found, [problem.message for problem in report.problems]


def test_a_certificate_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "eventbridge.pem").write_bytes(PEM)
    found, problems = settings(
        f"kind: alibaba\npublic_url: {URL}\ncertificate: {{file: eventbridge.pem}}\n", tmp_path
    )
    assert problems == []
    assert found is not None
    AlibabaSource(found).admit(push(signed()))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("certificate: nonsense", "certificate: wants the PEM of an X.509 certificate with an RSA key"),
        (
            "public_url: null\nsignature: true",
            "signatures want public_url, the address that is configured at EventBridge: it is signed",
        ),
        ("token: ''", "token: is empty: it would let everybody in"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said(lines: str, problem: str, tmp_path: Path) -> None:
    text = (
        f"kind: alibaba\n{lines}\n"
        if "public_url" in lines
        else f"kind: alibaba\npublic_url: {URL}\n{lines}\n"
    )
    assert settings(text, tmp_path) == (None, [problem])
