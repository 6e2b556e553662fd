"""What nobody has signed must cost next to nothing: queries that are long, and parts that are many."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from router.signatures import acs, bce, cos
from router.signatures.address import Address
from router.signatures.base import Key, Reason, SignatureError
from router.signatures.fields import LONGEST_QUERY, MOST_PARAMETERS

KEYS = [Key("AK", "SK"), Key("AK", "SK-2")]
NOW = 1_795_348_800.0
ZEROS = "0" * 64

Verify = Callable[[str], object]


def _bce(query: str) -> None:
    headers = {
        "host": "h",
        "x-bce-a": "1",
        "authorization": f"bce-auth-v1/AK/2026-11-22T12:00:00Z/1800/host/{ZEROS}",
    }
    bce.verify(KEYS, "POST", "/", query, headers, b"", now=NOW, known_as=Address("r.example", "/a"))


def _cos(query: str) -> None:
    span = f"{NOW - 60:.0f};{NOW + 60:.0f}"
    given = (
        f"q-sign-algorithm=sha1&q-ak=AK&q-sign-time={span}&q-key-time={span}&q-header-list=&q-url-param-list="
    )
    headers = {"authorization": f"{given}&q-signature={ZEROS}"}
    cos.verify(KEYS, "POST", "/", query, headers, now=NOW)


def _acs_v1(query: str) -> None:
    headers = {"authorization": "acs:AK:0000", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}
    acs.verify(KEYS, "POST", "/", query, headers, b"", now=NOW)


def _acs_v3(query: str) -> None:
    names = "host;x-acs-action;x-acs-content-sha256;x-acs-date"
    authorization = f"ACS3-HMAC-SHA256 Credential=AK,SignedHeaders={names},Signature={ZEROS}"
    headers = {"authorization": authorization, "x-acs-date": "2026-11-22T12:00:00Z"}
    acs.verify(KEYS, "POST", "/", query, headers, b"", now=NOW)


def refused(verify: Verify, query: str) -> Reason:
    with pytest.raises(SignatureError) as caught:
        verify(query)
    return caught.value.reason


@pytest.mark.parametrize("verify", [_bce, _cos, _acs_v1, _acs_v3])
class TestQueries:
    @pytest.mark.parametrize("query", ["a&" * 31_000, "%41=%42&" * 7_800, "a" * (LONGEST_QUERY + 1)])
    def test_one_beyond_any_senders_is_not_looked_at(self, verify: Verify, query: str) -> None:
        began = time.process_time()
        assert refused(verify, query) is Reason.UNFIT
        assert time.process_time() - began < 0.005

    @pytest.mark.parametrize(
        "query", ["a" * LONGEST_QUERY, "&".join(["%41=%42"] * MOST_PARAMETERS), "result", ""]
    )
    def test_one_that_a_sender_may_have_is(self, verify: Verify, query: str) -> None:
        assert refused(verify, query) is Reason.WRONG


def test_many_headers_and_two_addresses_are_encoded_once() -> None:
    """Eight texts may have been signed: each of their parts is made once."""
    headers = {"host": "h", **{f"x-bce-{index}": "\xe9" * 600 for index in range(99)}}
    headers["authorization"] = f"bce-auth-v1/AK/2026-11-22T12:00:00Z/1800/host/{ZEROS}"

    def verify(query: str) -> None:
        bce.verify(
            KEYS, "POST", "/" + "\xe9" * 30_000, query, headers, b"", now=NOW, known_as=Address("r", "/a")
        )

    began = time.process_time()
    assert refused(verify, "") is Reason.WRONG
    assert time.process_time() - began < 0.02
