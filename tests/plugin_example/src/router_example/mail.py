"""The kind of target `mail`: one mail for each event, handed to a mail server (RFC 5321)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from smtplib import SMTP, SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, Field, model_validator

from router.config.model import Shape
from router.config.secrets import Secret
from router.config.units import Duration, Whole
from router.events import json_format
from router.targets.base import (
    Cause,
    Delivered,
    Message,
    Outcome,
    Rejected,
    RetryLater,
    Surroundings,
    Target,
)

PERMANENT = 500
"""Replies from here on say that the same will fail again (RFC 5321, section 4.2.1)."""

SUBJECT = 200
"""Characters of an event's type and subject that a mail's subject holds."""

Address = Annotated[str, Field(pattern=r"^[!-?A-~]+@[!-?A-~]+$", max_length=254)]


class MailSettings(Shape):
    """Under `mail:`.

    Attributes:
        host: the mail server.
        port: where it takes mail from clients.
        sender: `from`: whose mail it is.
        to: who gets it.
        tls: whether the connection is encrypted by STARTTLS, and the server's certificate verified.
        user: who logs in; nobody where it is left out.
        password: the user's.
        timeout: seconds that each step of the conversation may take.
    """

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[Whole, Field(ge=1, le=65535)] = 587
    sender: Annotated[Address, Field(alias="from")]
    to: Annotated[list[Address], Field(min_length=1)]
    tls: bool = True
    user: str | None = None
    password: Secret | None = None
    timeout: Annotated[Duration, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _is_safe(self) -> MailSettings:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if self.user is not None and not self.tls:
            raise ValueError("a password is not sent unencrypted; leave tls as it is")
        return self


class MailTarget:
    """Hands mails over, those of one call in one conversation."""

    batch = 20
    concurrency = 2

    def __init__(self, name: str, settings: MailSettings) -> None:
        self._name = name
        self._settings = settings
        self._limiter = CapacityLimiter(8)  # of its own: a mail server that hangs must not hold others up

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """See `Target.deliver`.

        smtplib waits, so it does that in a thread; and a thread cannot be cancelled, so it is left behind.
        """
        mails = [self._mail(message) for message in messages]
        return await to_thread.run_sync(self._post, mails, abandon_on_cancel=True, limiter=self._limiter)

    def _mail(self, message: Message) -> EmailMessage:
        event, mail = message.event, EmailMessage(policy=WIRE)
        mail["From"], mail["To"] = self._settings.sender, ", ".join(self._settings.to)
        mail["Subject"] = _line(f"{event.type} {event.subject or ''}")[:SUBJECT]
        mail["Message-ID"] = f"<{message.id}@{self._name}.rule-router>"  # constant over all attempts
        mail["Auto-Submitted"] = "auto-generated"  # nobody's holiday notice comes back (RFC 3834)
        mail.set_content(f"{event.type} from {event.source}\nRules: {', '.join(message.rules)}\n")
        if message.body is None:
            content, name, media = json_format.encode(event), "event.json", json_format.MEDIA_TYPE
        else:
            content, name, media = message.body.content, "body", message.body.content_type
        main, _, sub = media.partition(";")[0].strip().partition("/")
        mail.add_attachment(content, maintype=main, subtype=sub, filename=name)
        return mail

    def _post(self, mails: Sequence[EmailMessage]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        try:
            with SMTP(self._settings.host, self._settings.port, timeout=self._settings.timeout) as server:
                self._greet(server)
                for mail in mails:
                    outcomes.append(_handed(server, mail))  # noqa: PERF401 (those before an error count)
        except (OSError, SMTPException) as error:
            # The conversation is over. Those before have their outcomes; the others are tried again.
            outcomes.extend([_outcome(error)] * (len(mails) - len(outcomes)))
        return outcomes

    def _greet(self, server: SMTP) -> None:
        if self._settings.tls:
            server.starttls(context=ssl.create_default_context())
        if self._settings.user is not None and self._settings.password is not None:
            server.login(self._settings.user, self._settings.password.get_secret_value())


def _handed(server: SMTP, mail: EmailMessage) -> Outcome:
    """What became of one mail; an error that ends the conversation is raised."""
    try:
        server.send_message(mail)
    except (SMTPRecipientsRefused, SMTPResponseException) as error:
        return _outcome(error)
    return Delivered()


def _outcome(error: Exception) -> Outcome:
    """What the router is told of an error."""
    if isinstance(error, SMTPRecipientsRefused):
        code, answer = max(error.recipients.values())
    elif isinstance(error, SMTPResponseException):
        code, said = error.smtp_code, error.smtp_error
        answer = said if isinstance(said, bytes) else said.encode()
    else:
        return RetryLater(f"the mail server cannot be talked to: {_line(str(error))}")
    told = _line(f"the mail server said {code} {answer.decode(errors='replace')}")
    if code < PERMANENT:
        return RetryLater(told, status=code, answer=answer)
    if isinstance(error, SMTPDataError):
        return Rejected(told, status=code, answer=answer)  # this mail; others may get through
    told += "; mend the addresses, the user or the password"
    return RetryLater(told, status=code, answer=answer, cause=Cause.MISDIRECTED)


def _line(text: str) -> str:
    """The text in one line: what stands in a header must not begin another one."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


class MailKind:
    """The kind `mail`. See `router.targets.base.Kind`."""

    settings: type[BaseModel] = MailSettings

    @asynccontextmanager
    async def open(self, settings: MailSettings, surroundings: Surroundings) -> AsyncIterator[Target]:
        """See `Kind.open`. A mail server that is down keeps no router from starting."""
        yield MailTarget(surroundings.name, settings)
