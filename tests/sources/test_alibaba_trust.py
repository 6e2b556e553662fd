"""Whose certificates an Alibaba source believes, where it looks for them, and how long it remembers them."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from router.signatures import eventbridge
from router.signatures.base import Reason
from router.sources.alibaba_certificates import REGIONS
from router.sources.alibaba_learnt import MOST, PAUSE
from router.sources.base import Request
from tests.signatures.certificates import NOW, certificate, private_key
from tests.sources.alibaba_pushes import (
    CERTIFICATE,
    HOST,
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
