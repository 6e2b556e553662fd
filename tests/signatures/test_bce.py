"""bce-auth-v1: Baidu's known answer, what its SDKs differ in, and what must not get through."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.signatures import bce
from router.signatures.base import Key, Reason, SignatureError

KEY = Key("a" * 32, "b" * 32)
AT = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
BODY = b'{"events":[]}'


def request(**more: str) -> dict[str, str]:
    headers = {
        "host": "127.0.0.1:8080",
        "content-length": str(len(BODY)),
        "content-type": "application/json; charset=utf-8",
        "x-bce-date": "2026-11-22T12:00:00Z",
    }
    return headers | {name.replace("_", "-"): value for name, value in more.items()}


def signed(
    headers: Mapping[str, str], names: tuple[str, ...] | None = None, key: Key = KEY
) -> dict[str, str]:
    authorization = bce.sign(key, "POST", "/", "result", headers, at=AT, signed=names)
    return {**headers, "authorization": authorization}


def verified(headers: Mapping[str, str], body: bytes = BODY, now: float = AT, *keys: Key) -> bool:
    return bce.verify(keys or (KEY,), "POST", "/", "result", headers, body, now=now)


def refused(headers: Mapping[str, str], body: bytes = BODY, now: float = AT) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        verified(headers, body, now)
    assert KEY.secret not in caught.value.message
    return caught.value


def test_the_known_answer_of_baidus_documentation() -> None:
    headers = {
        "host": "bj.bcebos.com",
        "content-length": "8",
        "content-md5": "NFzcPqhviddjRNnSOGo4rw==",
        "content-type": "text/plain",
        "x-bce-date": "2015-04-27T08:23:49Z",
    }
    at = datetime(2015, 4, 27, 8, 23, 49, tzinfo=UTC).timestamp()
    path, query = "/v1/test/myfolder/readme.txt", "partNumber=9&uploadId=a44cc9bab11cbd156984767aad637851"
    authorization = bce.sign(KEY, "PUT", path, query, headers, at=at)
    assert authorization == (
        f"bce-auth-v1/{'a' * 32}/2015-04-27T08:23:49Z/1800//"
        "d74a04362e6a848f5b39b15421cb449427f419c95a480fd6b8cf9fc783e2999e"
    )


@pytest.mark.parametrize(
    "names", [None, ("host",), ("host", "x-bce-date"), ("host", "content-type", "content-length")]
)
def test_what_is_signed_is_accepted(names: tuple[str, ...] | None) -> None:
    assert verified(signed(request(), names)) is False


def test_headers_may_be_named_in_any_order() -> None:
    headers = signed(request(), ("host", "x-bce-date"))
    headers["authorization"] = headers["authorization"].replace("host;x-bce-date", "X-Bce-Date;host")
    assert verified(headers) is False


def test_a_sender_may_cover_headers_that_it_does_not_name() -> None:
    """The Python SDK covers all of x-bce-, whatever it names; here that is a digest of the body, too."""
    headers = signed(request(**bce.digests(BODY)), ("host", "x-bce-content-sha256", "x-bce-date"))
    headers["authorization"] = headers["authorization"].replace(
        "host;x-bce-content-sha256;x-bce-date", "host"
    )
    assert verified(headers) is True
    assert refused(headers, b"{}").reason is Reason.ALTERED


def test_a_key_is_found_whichever_id_is_named() -> None:
    headers = signed(request(), key=Key("somebody-else", KEY.secret))
    assert verified(headers, BODY, AT, Key("x", "old"), KEY) is False


def test_another_key_is_refused() -> None:
    error = refused(signed(request(), key=Key(KEY.id, "guessed")))
    assert (error.reason, error.status) == (Reason.WRONG, 403)


@pytest.mark.parametrize("name", ["host", "content-type", "content-length", "x-bce-date"])
def test_a_signed_header_cannot_be_changed(name: str) -> None:
    headers = signed(request())
    assert refused({**headers, name: "other"}).reason is Reason.WRONG
    assert refused({key: value for key, value in headers.items() if key != name}).reason is Reason.WRONG


@pytest.mark.parametrize(
    ("method", "path", "query"), [("PUT", "/", "result"), ("POST", "/x", "result"), ("POST", "/", "event")]
)
def test_another_request_is_refused(method: str, path: str, query: str) -> None:
    with pytest.raises(SignatureError) as caught:
        bce.verify([KEY], method, path, query, signed(request()), BODY, now=AT)
    assert caught.value.reason is Reason.WRONG


def test_a_query_is_the_same_however_it_is_spelled() -> None:
    for query in ("result=", "result", "&result"):
        bce.verify([KEY], "POST", "/", query, signed(request()), BODY, now=AT)


@pytest.mark.parametrize("quoted", ["/v1/a b/ä~", "/v1/a%20b/%c3%a4%7E", "/v1/a%20b/%C3%A4~"])
def test_a_path_is_the_same_however_it_is_encoded(quoted: str) -> None:
    authorization = bce.sign(KEY, "POST", quoted, "", request(), at=AT)
    headers = request(authorization=authorization)
    assert bce.verify([KEY], "POST", "/v1/a%20b/%C3%A4~", "", headers, BODY, now=AT) is False


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


@pytest.mark.parametrize(
    "digest",
    [
        {"content-md5": md5(BODY)},
        {"x-bce-content-sha256": hashlib.sha256(BODY).hexdigest()},
        {"x-bce-content-sha256": hashlib.sha256(BODY).hexdigest().upper()},
        {"content-md5": md5(BODY), "x-bce-content-sha256": hashlib.sha256(BODY).hexdigest()},
    ],
)
def test_a_signed_digest_covers_the_body(digest: dict[str, str]) -> None:
    headers = signed(request(**digest))
    assert verified(headers) is True
    error = refused(headers, BODY + b" ")
    assert (error.reason, error.status) == (Reason.ALTERED, 403)


def test_a_digest_that_is_not_signed_proves_nothing() -> None:
    headers = signed(request(content_md5=md5(b"another")), ("host", "x-bce-date"))
    assert verified(headers) is False


@pytest.mark.parametrize("offset", [-301, 1800 + 301])
def test_outside_its_time_it_is_refused(offset: int) -> None:
    error = refused(signed(request()), now=AT + offset)
    assert (error.reason, error.status) == (Reason.EXPIRED, 401)


@pytest.mark.parametrize("offset", [-299, 0, 1800 + 299])
def test_within_its_time_and_some_minutes_around_it_counts(offset: int) -> None:
    assert verified(signed(request()), BODY, AT + offset) is False


@pytest.mark.parametrize("expires", [-1, 10**9 - 1])
def test_no_signature_counts_for_ever(expires: int) -> None:
    authorization = bce.sign(KEY, "POST", "/", "result", request(), at=AT, expires=expires)
    headers = request(authorization=authorization)
    assert verified(headers, BODY, AT + bce.LONGEST) is False
    assert refused(headers, now=AT + bce.LONGEST + 301).reason is Reason.EXPIRED


def test_a_longer_time_cannot_be_written_into_it() -> None:
    headers = signed(request())
    headers["authorization"] = headers["authorization"].replace("/1800/", "/3600/")
    assert refused(headers).reason is Reason.WRONG


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic eDp5",
        "bce-auth-v1/a/2026-11-22T12:00:00Z/1800/" + "0" * 64,
        "bce-auth-v1/a/2026-13-22T12:00:00Z/1800//" + "0" * 64,
        "bce-auth-v1/a/2026-11-22T12:00:00Z/x//" + "0" * 64,
        "bce-auth-v1/a/2026-11-22T12:00:00Z/1800//" + "0" * 63,
        "bce-auth-v2/a/2026-11-22T12:00:00Z/1800//" + "0" * 64,
    ],
)
def test_what_is_no_signature_is_refused(authorization: str) -> None:
    error = refused(request(authorization=authorization))
    assert (error.reason, error.status) == (Reason.UNFIT, 401)


def test_without_a_signature_it_is_refused() -> None:
    error = refused(request())
    assert (error.reason, error.status) == (Reason.MISSING, 401)


_WORDS = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)


@given(_WORDS, _WORDS, st.binary(max_size=50))
def test_what_is_signed_is_verified_whatever_it_holds(value: str, query: str, body: bytes) -> None:
    query = query.replace("%", "%25")
    headers = request(x_bce_meta=value, **bce.digests(body))
    headers["authorization"] = bce.sign(KEY, "PUT", "/a", query, headers, at=AT)
    assert bce.verify([KEY], "PUT", "/a", query, headers, body, now=AT) is True
