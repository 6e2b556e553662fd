"""What a cloud's sender is, and the parts of a URL that signatures are made of. Pure."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from router.emulators.schedule import Policy


class Cloud(Protocol):
    """One cloud's way to send."""

    @property
    def name(self) -> str:
        """The word it goes by."""
        ...

    @property
    def policy(self) -> Policy:
        """What it does about an answer."""
        ...

    def fresh(self, body: bytes) -> bytes:
        """The body with new ids: an event of its own."""
        ...

    def address(self, url: str) -> str:
        """Where a request for this URL goes: some clouds carry a token there."""
        ...

    def headers(self, url: str, content_type: str, body: bytes, now: float) -> dict[str, str]:
        """The headers of one attempt, signature included; each attempt is signed anew.

        Args:
            url: the whole address.
            content_type: the body's.
            body: what is sent.
            now: seconds since the epoch.
        """
        ...


def host_of(url: str) -> str:
    """The Host header: without the port where it is the scheme's own.

    >>> host_of("http://127.0.0.1:8080/baidu"), host_of("https://example.com:443/")
    ('127.0.0.1:8080', 'example.com')
    """
    parts = urlsplit(url)
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return parts.netloc.rpartition("@")[2].removesuffix(usual)


def path_of(url: str) -> str:
    """The path as it is sent."""
    return urlsplit(url).path or "/"


def query_of(url: str) -> str:
    """The query as it is sent, without `?`."""
    return urlsplit(url).query
