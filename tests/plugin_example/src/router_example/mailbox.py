"""A mail server for tests and first steps: it takes every mail.

`python -m router_example.mailbox [PORT]` shows each of them as a line of JSON.
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self


class Mailbox:
    """Listens on loopback, in a thread.

    Attributes:
        mails: what came, in order.
        port: where it listens.
        gate: while it is not set, the server takes mails and does not answer.
        waits: set as soon as a sender waits for that.
    """

    def __init__(self, port: int = 0) -> None:
        self.mails: list[EmailMessage] = []
        self.port = port
        self.gate = threading.Event()
        self.waits = threading.Event()
        self.gate.set()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.stop()

    def start(self) -> None:
        """Listen; again on the port it had before."""
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def take(self, content: bytes) -> None:
        """Keep a mail."""
        self.waits.set()
        self.gate.wait()
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    server_address: tuple[str, int]

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(("127.0.0.1", mailbox.port), _Conversation)
        self.mailbox = mailbox


class _Conversation(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a sender needs."""

    server: _Server

    def handle(self) -> None:
        self._say(220, "mailbox")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self._say(354, "go on")
                self.server.mailbox.take(self._content())
            self._say(221 if word == b"QUIT" else 250, "fine")
            if word == b"QUIT":
                return

    def _say(self, code: int, text: str) -> None:
        try:
            self.wfile.write(f"{code} {text}\r\n".encode())
        except OSError:
            return  # the sender did not wait for it

    def _content(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _show() -> None:
    class Shown(Mailbox):
        def take(self, content: bytes) -> None:
            super().take(content)
            mail = self.mails[-1]
            told = {name: str(mail[name]) for name in ("Message-ID", "From", "To", "Subject")}
            attached = [str(part.get_content()) for part in mail.iter_attachments()]
            _tell(json.dumps(told | {"attached": attached}, ensure_ascii=False))

    with Shown(int(sys.argv[1]) if sys.argv[1:] else 0) as mailbox:
        _tell(f"listening on 127.0.0.1:{mailbox.port}")
        threading.Event().wait()


if __name__ == "__main__":
    _show()
