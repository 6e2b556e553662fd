"""The `log` kind: a structured line for each message, on standard output or error, or to a syslog daemon."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, Literal, Protocol, TextIO

from anyio import CapacityLimiter, to_thread
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from structlog.types import EventDict, Processor

from router.config import exact
from router.config.expressions import Expression, ExpressionError, compile_expression
from router.errors import MessageError
from router.events.model import text_of
from router.targets.base import Delivered, Message, Outcome, Rejected, RetryLater, Surroundings, Target
from router.targets.syslog import Facility, Syslog, host_and_port
from router.telemetry import log

DATA_CHARACTERS: Final = 2048
"""How much of a payload, or of a field, a line shows."""

_OWN = ("timestamp", "level", "event", "target", "rules", "delivery")
"""What a line says whatever fields are chosen."""

Level = Literal["debug", "info", "warning", "error"]


def _field(text: str) -> str:
    if text in _OWN:
        raise ValueError(f"a line has a {text!r} of its own")
    try:
        compile_expression(text)
    except ExpressionError as error:
        told = f"{error.message}; {error.hint}" if error.hint else error.message
        raise ValueError(f"at character {error.offset + 1}: {told}") from error
    return text


def _address(text: str) -> str:
    if not text.startswith("/") and host_and_port(text) is None:
        raise ValueError("write the path of a socket, such as /dev/log, or host:port for UDP")
    return text


class SyslogSettings(BaseModel):
    """What stands under `syslog:`.

    Attributes:
        address: the path of a local daemon's socket, or `host:port`, which is UDP.
        facility: what the lines are filed under.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[str, AfterValidator(_address)] = "/dev/log"
    facility: Facility = "user"


class LogSettings(BaseModel):
    """What stands under `log:`.

    Attributes:
        level: the level that the lines carry. They are written whatever level the router's own log has.
        levels: the level for the rules of these names; of a delivery for several rules the highest counts.
        format: JSON, or a readable form; `auto` is that on terminals and JSON elsewhere.
        fields: JMESPath over the event; what lines show of it instead of the usual.
        to: where the lines go.
        syslog: which daemon, with `to: syslog`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Level = "info"
    levels: dict[str, Level] = Field(default_factory=dict)
    format: Literal["auto", "json", "console"] = "auto"
    fields: list[Annotated[str, AfterValidator(_field)]] | None = None
    to: Literal["stdout", "stderr", "syslog"] = "stdout"
    syslog: SyslogSettings | None = None

    def about_rules(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """See `router.targets.base.AboutRules`."""
        for rule in self.levels:
            yield ("levels", rule), rule

    @model_validator(mode="after")
    def _for_syslog_alone(self) -> LogSettings:
        if self.syslog is not None and self.to != "syslog":
            raise ValueError("syslog says where to: syslog goes; write that beside it, or leave it out")
        return self


class Sink(Protocol):
    """Where lines go.

    Attributes:
        name: for whoever reads that it cannot be written to.
    """

    name: str

    def write(self, level: str, line: str, /) -> None:
        """Write a line.

        Raises:
            OSError, ValueError: it is not written.
        """
        ...


class StreamSink:
    """Standard output or error."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name = name
        self._stream = stream

    def write(self, _level: str, line: str, /) -> None:
        """See `Sink.write`."""
        self._stream.write(f"{line}\n")
        self._stream.flush()


class LogTarget:
    """Writes lines, in a thread: a reader that stalls must not stall the router."""

    batch = 100
    concurrency = 1

    def __init__(self, name: str, settings: LogSettings, sink: Sink, processors: Sequence[Processor]) -> None:
        self._name = name
        self._level = settings.level
        self._levels: Mapping[str, str] = settings.levels
        chosen = settings.fields
        self._fields = None if chosen is None else {text: compile_expression(text) for text in chosen}
        self._secret = {text for text, one in (self._fields or {}).items() if _reads_secret(one.tree)}
        self._sink = sink
        self._processors = processors
        self._limiter = CapacityLimiter(1)

    async def deliver(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `Target.deliver`."""
        return await to_thread.run_sync(self._write, messages, limiter=self._limiter)

    def _write(self, messages: Sequence[Message]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for message in messages:
            level = self._level_of(message)
            try:
                self._sink.write(level, self._line(level, message))
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                reason = f"{self._sink.name} cannot be written to: {error}"
                if getattr(error, "errno", None) != errno.EMSGSIZE:
                    return outcomes + [RetryLater(reason)] * (len(messages) - len(outcomes))
                outcomes.append(Rejected(f"{reason}; choose fewer fields"))
            else:
                outcomes.append(Delivered())
        return outcomes

    def _level_of(self, message: Message) -> str:
        levels = [self._levels.get(rule, self._level) for rule in message.rules]
        return max(levels, key=log.LEVELS.__getitem__, default=self._level)

    def _line(self, level: str, message: Message) -> str:
        line: Any = self._told(message)
        for process in self._processors:
            line = process(None, level, line)
        return str(line)

    def _told(self, message: Message) -> EventDict:
        about = _usual(message) if self._fields is None else self._chosen(message)
        return {"event": "event.routed", "target": self._name, **about}

    def _chosen(self, message: Message) -> dict[str, Any]:
        assert self._fields is not None
        view = message.event.view()
        found = {text: _value(expression, view) for text, expression in self._fields.items()}
        found |= {text: log.REDACTED for text in self._secret if found[text] is not None}
        return found | {"rules": list(message.rules), "delivery": message.id}


def _usual(message: Message) -> dict[str, Any]:
    event = message.event
    content = event.data if message.body is None else message.body.content
    fields: dict[str, Any] = {"type": event.type, "source": event.source}
    if event.subject is not None:
        fields["subject"] = event.subject
    fields |= {"id": event.id, "rules": list(message.rules), "delivery": message.id}
    if content is not None:
        fields["data"] = _cut(text_of(content))
    return fields


def _value(expression: Expression, view: Any) -> Any:
    """What an expression finds; for one that fails, why: the line is written all the same."""
    try:
        found = expression.search(view)
        text = found if isinstance(found, str) else exact.encode(found).decode()
    except (MessageError, TypeError, ValueError) as error:
        return f"({error})"
    return found if len(text) <= DATA_CHARACTERS and not isinstance(found, str) else _cut(text)


def _reads_secret(tree: Mapping[str, Any]) -> bool:
    """Whether an expression gives (not only looks at) a member whose name says that it is a secret."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if node["type"] == "field" and log.is_secret(node["value"]):
            return True
        if node["type"] != "comparator":
            nodes += node["children"][:2] if node["type"] == "filter_projection" else node["children"]
    return False


def _cut(text: str) -> str:
    return text if len(text) <= DATA_CHARACTERS else text[:DATA_CHARACTERS] + "…"


class LogKind:
    """The kind of target named `log`."""

    settings: type[BaseModel] = LogSettings

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    @asynccontextmanager
    async def open(self, settings: LogSettings, surroundings: Surroundings) -> AsyncIterator[Target]:
        """See `Kind.open`."""
        if settings.to == "syslog":
            told = settings.syslog or SyslogSettings()
            sink = Syslog(told.address, told.facility)
            form = log.JSON if settings.format == log.AUTO else settings.format
            try:
                yield LogTarget(surroundings.name, settings, sink, log.processors(io.StringIO(), form))
            finally:
                sink.close()
            return
        is_error = settings.to == "stderr"
        usual, name = (sys.stderr, "standard error") if is_error else (sys.stdout, "standard output")
        stream = self._stream or usual
        processors = log.processors(stream, settings.format)
        yield LogTarget(surroundings.name, settings, StreamSink(name, stream), processors)
