"""uvicorn's HTTP/1.1 protocol, deaf to `Upgrade` and to trailers.

A request with `Connection: Upgrade` (`curl --http2` and Java's HttpClient send it by default) stops the
parser after its head: uvicorn would hand it to the application as one with an empty body
(https://github.com/Kludex/uvicorn/issues/2722).
"""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PlainProtocol(HttpToolsProtocol):
    """One connection, on which HTTP/1.1 is spoken from its beginning to its end."""

    _plain = b""
    """The head of a request that asks for another protocol, without that wish."""

    def parse(self, data: bytes) -> None:
        """Feed the parser.

        As RFC 9110, section 7.8, allows, the wish for another protocol is not granted: the head goes in
        again without it, then what follows.

        Raises:
            httptools.HttpParserError: this is no HTTP, or a callback failed.
        """
        rest: bytes | memoryview = data
        while True:
            try:
                return self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = memoryview(rest)[upgrade.args[0] :]
            head, self._plain = self._plain, b""
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            self.parser.feed_data(head)

    def on_headers_complete(self) -> None:
        """Start the application, unless the parser is going to stop here."""
        if self.parser.should_upgrade():
            self.on_upgrade()
            return
        super().on_headers_complete()
        # RFC 9110, section 6.5.1: trailers must not be taken for header fields, which the application reads.
        self.headers = []

    def on_message_complete(self) -> None:
        """A request is whole, unless it is the one that stopped the parser."""
        if not self._plain:
            super().on_message_complete()

    def on_upgrade(self) -> None:
        """The parser is about to stop: keep what it must read again."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self._plain = b"\r\n".join(lines) + b"\r\n\r\n"
