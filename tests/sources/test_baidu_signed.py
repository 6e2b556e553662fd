"""Who may push: bce-auth-v1, several keys, a proxy, and bodies that must be covered."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from router.config.model import Shape
from router.signatures import bce
from router.signatures.base import Key, Reason, SignatureError
from router.sources.baidu import BaiduSettings, BaiduSource
from router.sources.base import Request
from tests.sources.support import error_text, post

OLD, NEW = Key("ak-1", "first-secret"), Key("ak-2", "second-secret")
BODY = b'{"events":[]}'
NOW = post(b"").received


def source(**settings: object) -> BaiduSource:
    keys = [{"id": key.id, "secret": key.secret} for key in (OLD, NEW)]
    return BaiduSource(BaiduSettings.model_validate({"kind": "baidu", "keys": keys} | settings))


def pushed(
    key: Key = NEW,
    at: float = NOW,
    url: str = "http://router.local/?result",
    more: Mapping[str, str] | None = None,
) -> Request:
    """As Baidu sends it to an address; it arrives as it was sent."""
    host, _, rest = url.removeprefix("http://").partition("/")
    path, _, query = f"/{rest}".partition("?")
    headers = {"host": host, "content-type": "application/json", "content-length": "13", **(more or {})}
    headers["authorization"] = bce.sign(key, "POST", path, query, headers, at=at)
    return msgspec.structs.replace(post(BODY, path, query, headers), received=NOW)


def refused(where: BaiduSource, request: Request) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        where.admit(request)
    assert where.refused(caught.value).status == caught.value.status
    assert "secret" not in error_text(where.refused(caught.value))
    return caught.value


def test_without_keys_it_is_open() -> None:
    assert not BaiduSource().verifies
    BaiduSource().admit(post(BODY))


@pytest.mark.parametrize("key", [OLD, NEW, Key("unheard-of", NEW.secret)])
def test_each_of_its_secrets_may_have_signed_whatever_the_key_is_called(key: Key) -> None:
    assert source().verifies
    source().admit(pushed(key))


@pytest.mark.parametrize(
    ("request_", "reason", "status"),
    [
        (post(BODY), Reason.MISSING, 401),
        (post(BODY, headers={"authorization": "Bearer x"}), Reason.UNFIT, 401),
        (pushed(Key(NEW.id, "guessed")), Reason.WRONG, 403),
        (pushed(at=NOW - 3000), Reason.EXPIRED, 401),
        (pushed(at=NOW + 3000), Reason.EXPIRED, 401),
        (msgspec.structs.replace(pushed(), query="event"), Reason.WRONG, 403),
        (msgspec.structs.replace(pushed(more=bce.digests(BODY)), body=b"{}"), Reason.ALTERED, 403),
    ],
)
def test_everything_else_is_refused(request_: Request, reason: Reason, status: int) -> None:
    error = refused(source(), request_)
    assert (error.reason, error.status) == (reason, status)


def test_behind_a_proxy_it_is_signed_for_the_public_address() -> None:
    sent = pushed(url="http://hooks.example.com/bos?result")
    arrived = msgspec.structs.replace(sent, path="/baidu", headers={**sent.headers, "host": "10.0.0.7:8080"})
    source(public_url="https://hooks.example.com/bos").admit(arrived)
    assert refused(source(), arrived).reason is Reason.WRONG
    assert refused(source(public_url="https://hooks.example.com/other"), arrived).reason is Reason.WRONG


def test_a_proxy_may_change_the_host_alone() -> None:
    sent = pushed(url="http://hooks.example.com/v1/bucket/?result")
    arrived = msgspec.structs.replace(sent, headers={**sent.headers, "host": "10.0.0.7:8080"})
    source(public_url="https://hooks.example.com:443").admit(arrived)


def test_a_body_that_is_not_covered_may_be_refused() -> None:
    source(cover_body=False).admit(pushed())
    source(cover_body=True).admit(pushed(more=bce.digests(BODY)))
    error = refused(source(cover_body=True), pushed())
    assert (error.reason, error.status) == (Reason.UNFIT, 403)
    assert error.message == (
        "the signature does not cover the body, and this source has cover_body: true; "
        "sign x-bce-content-sha256 or content-md5"
    )


def test_its_settings_show_no_secret() -> None:
    settings: Shape = source().settings
    assert "first-secret" not in repr(settings) + str(settings) + settings.model_dump_json()
