"""The address that clients know a service by, in the parts that they sign."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

_USUAL = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request was sent, which a proxy may have changed on its way.

    Attributes:
        host: the Host header as clients send it: in lower case, without the port where it is the scheme's own
            (RFC 9110, section 4.2.3).
        path: percent-encoded or not, as the URL has it; `/` where it has none.
    """

    host: str
    path: str


def of(url: str) -> Address:
    """Host and path of a URL (http or https).

    >>> of("https://Router.Example.com:443"), of("http://user@127.0.0.1:8080/baidu?result")
    (Address(host='router.example.com', path='/'), Address(host='127.0.0.1:8080', path='/baidu'))
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return Address(host.removesuffix(_USUAL[parts.scheme]).removesuffix(":"), parts.path or "/")
