"""Who may push: tokens, signatures, and whose certificates are believed."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from router.config.report import Report
from router.config.shapes import validate
from router.config.yaml import read
from router.events import EventError
from router.signatures import eventbridge
from router.signatures.base import Reason
from router.sources.alibaba import AlibabaSettings, AlibabaSource
from router.sources.base import Request
from tests.signatures.certificates import NOW, certificate, private_key
from tests.signatures.smq_push import GENUINE, GENUINE_CERTIFICATE
from tests.sources.alibaba_pushes import (
    BODY,
    CERTIFICATE,
    KEY,
    OF_SMQ,
    PEM,
    URL,
    learnt,
    pinned,
    push,
    queued,
    signed,
    source,
    why,
)


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


"""Signs what names others' certificates; nobody's fits it."""


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
