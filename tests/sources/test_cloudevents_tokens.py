"""Bearer tokens, as HTTP 1.1 Web Hooks for CloudEvents, section 3, and RFC 6750 have them."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events.received import Received
from router.signatures.base import Reason, SignatureError
from router.sources.cloudevents import CloudEventsSettings, CloudEventsSource
from tests.sources.support import error_text, post

OLD, NEW = "mF_9.B5f-4.1JqM", base64.b64encode(b"\xfb\xff" * 9).decode()
"""The second has `+` and `/`, which in a query must not become anything else."""

BODY = b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'
STRUCTURED = {"content-type": "application/cloudevents+json"}


def source(*tokens: str, **more: str) -> CloudEventsSource:
    given_settings = {"kind": "cloudevents", "tokens": list(tokens), **more}
    return CloudEventsSource(CloudEventsSettings.model_validate(given_settings))


BOTH = source(OLD, NEW)


def admit(authorization: str | None = None, query: str = "", at: CloudEventsSource = BOTH) -> None:
    headers = STRUCTURED | ({} if authorization is None else {"authorization": authorization})
    at.admit(post(BODY, query=query, headers=headers))


def refused(
    authorization: str | None = None, query: str = "", at: CloudEventsSource = BOTH
) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        admit(authorization, query, at)
    return caught.value


@pytest.mark.parametrize("token", [OLD, NEW])
def test_each_of_several_tokens_is_taken_in_the_header_and_in_the_query(token: str) -> None:
    admit(f"Bearer {token}")
    admit(f"bearer  {token} ")
    admit(query=f"access_token={token}")
    admit(query=f"type=t&access_token={quote(token, safe='')}&source=s")
    admit(f"Bearer {token}", f"access_token={token}")


def test_a_single_token_is_one_more() -> None:
    both = source("two", token="one")
    admit("Bearer one", at=both)
    admit("Bearer two", at=both)
    assert refused("Bearer three", at=both).reason is Reason.WRONG


def test_a_source_without_tokens_is_open_to_all() -> None:
    assert not CloudEventsSource().verifies
    assert BOTH.verifies
    admit(at=CloudEventsSource())
    admit("Bearer whatever", "access_token=else", at=CloudEventsSource())


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", f"Basic {OLD}", OLD, f"Token {OLD}"]
)
@pytest.mark.parametrize(
    "query", ["", "access_token", "access_token=", f"token={OLD}", f"Access_Token={OLD}"]
)
def test_no_token_is_401_with_a_challenge_that_names_no_error(authorization: str | None, query: str) -> None:
    error = refused(authorization, query)
    answer = BOTH.refused(error)
    assert (error.reason, answer.status) == (Reason.MISSING, 401)
    assert answer.headers["www-authenticate"] == 'Bearer realm="CloudEvents"'
    assert error_text(answer).startswith("no token: send ")


@pytest.mark.parametrize(
    "wrong",
    [
        OLD[:-1],
        OLD + "x",
        OLD.lower(),
        f"{OLD},{NEW}",
        f"{OLD}, Bearer {OLD}",
        f'"{OLD}"',
        "x" * 100_000,
        "é",
    ],
)
def test_a_wrong_token_is_401_invalid_token(wrong: str) -> None:
    for error in (refused(f"Bearer {wrong}"), refused(query=f"access_token={quote(wrong, safe='')}")):
        answer = BOTH.refused(error)
        assert (error.reason, answer.status) == (Reason.WRONG, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="CloudEvents", error="invalid_token"'
        assert error_text(answer) == "the token is none of those that this source takes"


@pytest.mark.parametrize(
    ("authorization", "query"),
    [
        (f"Bearer {OLD}", f"access_token={NEW}"),
        (f"Bearer {OLD}", "access_token=wrong"),
        ("Bearer wrong", f"access_token={OLD}"),
        (None, f"access_token={OLD}&access_token={NEW}"),
    ],
)
def test_two_different_tokens_are_400_even_if_both_are_right(authorization: str | None, query: str) -> None:
    error = refused(authorization, query)
    answer = BOTH.refused(error)
    assert (error.reason, answer.status) == (Reason.UNFIT, 400)
    assert answer.headers["www-authenticate"] == 'Bearer realm="CloudEvents", error="invalid_request"'


def test_a_token_beyond_ascii_is_the_same_in_either_place() -> None:
    unusual = source("schlüssel-锁")
    as_the_web_hands_it_over = "schlüssel-锁".encode().decode("latin-1")
    admit(f"Bearer {as_the_web_hands_it_over}", at=unusual)
    admit(query=f"access_token={quote('schlüssel-锁')}", at=unusual)


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_a_stranger_sends_is_refused_and_never_repeated(authorization: str, query: str) -> None:
    for said in (authorization, f"Bearer {authorization}"):
        error = refused(said, query)
        assert error.status in (400, 401)
        assert error.message in (
            "no token: send `Authorization: Bearer …`, or `?access_token=…` where that cannot be",
            "the token is none of those that this source takes",
            "different tokens in Authorization and access_token; send one of them",
        )


def test_tokens_do_not_show_themselves() -> None:
    assert OLD not in repr(BOTH)
    assert NEW not in repr(BOTH)


def test_success_is_private_where_the_token_stands_in_the_query() -> None:
    request = post(BODY, query=f"access_token={OLD}", headers=STRUCTURED)
    answer = BOTH.accepted(BOTH.read(request))
    assert (answer.status, answer.body, answer.headers) == (202, b"", {"cache-control": "private"})
    for query in ("", "access_token", "type=t", "my_access_token=x"):
        usual = BOTH.accepted(BOTH.read(post(BODY, query=query, headers=STRUCTURED)))
        assert usual.status == 202
        assert bool(usual.headers) is (query == "access_token")
    usual = BOTH.accepted(BOTH.read(post(BODY, headers=STRUCTURED)))
    assert usual is BOTH.accepted(Received(()))


def test_a_token_in_the_query_is_no_attribute_of_plain_json() -> None:
    (reading,) = BOTH.read(post(b"{}", query=f"type=t&source=s&access_token={OLD}")).readings
    assert OLD not in repr(reading)
    (other,) = BOTH.read(post(b"{}", query=f"access_token={quote(NEW)}&type=t&source=s")).readings
    assert other == reading
