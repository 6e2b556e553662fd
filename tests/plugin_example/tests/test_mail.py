"""The target `mail` keeps the contract of targets, and says what a mail server's answers mean."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from smtplib import SMTPAuthenticationError, SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused

import pytest
from router_example.mail import MailKind, _outcome
from router_example.mailbox import Mailbox

from router.events import EventError
from router.events.json_format import decode
from router.targets.base import Cause, Rejected, RetryLater
from router.testing.targets import Bench, Receipt, TargetContract


def _receipt(mail: EmailMessage) -> Receipt:
    delivery = mail["Message-ID"].removeprefix("<").partition("@")[0]
    (attached,) = mail.iter_attachments()
    content = attached.get_payload(decode=True)
    assert isinstance(content, bytes)
    if attached.get_filename() != "event.json":
        return Receipt(delivery, content)
    try:
        event = decode(content)
    except EventError:  # a hostile event; that it came is enough
        return Receipt(delivery, None)
    return Receipt(delivery, event.data, event.attributes())


class MailBench(Bench):
    """A mail server on loopback."""

    def __init__(self, mailbox: Mailbox, folder: Path) -> None:
        self.kind = MailKind()
        self.settings = {
            "host": "127.0.0.1",
            "port": mailbox.port,
            "from": "router@example.com",
            "to": ["ops@example.com"],
            "tls": False,
        }
        self.folder = folder
        self._mailbox = mailbox

    def received(self) -> list[Receipt]:
        return [_receipt(mail) for mail in self._mailbox.mails]

    def go_down(self) -> None:
        self._mailbox.stop()

    def come_back(self) -> None:
        self._mailbox.start()

    def resume(self) -> None:
        self._mailbox.gate.set()

    def stall(self) -> threading.Event:
        self._mailbox.gate.clear()
        return self._mailbox.waits


class TestMail(TargetContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        with Mailbox() as mailbox:
            yield MailBench(mailbox, tmp_path)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SMTPDataError(554, b"no such content here"), Rejected),
        (SMTPDataError(451, b"not now"), RetryLater),
        (SMTPRecipientsRefused({"ops@example.com": (550, b"no such user")}), Cause.MISDIRECTED),
        (SMTPRecipientsRefused({"ops@example.com": (450, b"busy")}), Cause.PASSING),
        (SMTPSenderRefused(550, b"who are you?", "router@example.com"), Cause.MISDIRECTED),
        (SMTPAuthenticationError(535, b"wrong"), Cause.MISDIRECTED),
        (TimeoutError("timed out"), Cause.PASSING),
    ],
    ids=repr,
)
def test_what_a_mail_servers_answer_means(error: Exception, expected: object) -> None:
    outcome = _outcome(error)
    assert expected in {type(outcome), getattr(outcome, "cause", None)}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"user": "router"}, "user and password belong together"),
        ({"user": "router", "password": "s3cret"}, "a password is not sent unencrypted"),
        ({"to": ["ops@example.com\r\nBcc: x@example.com"]}, "String should match"),
    ],
)
def test_settings_that_are_refused(more: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        MailBench(Mailbox(1), tmp_path).read(**more)
    assert "s3cret" not in str(caught.value)
