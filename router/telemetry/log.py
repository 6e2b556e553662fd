"""The router's log: structlog, JSON lines, or colours where a person looks on.

Events are dotted names (`delivery.dead`) with named fields. A line costs some 10 µs: it is for what happens
now and then, never for each event.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from typing import Any, Final, Protocol, TextIO, cast

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.types import EventDict, Processor, WrappedLogger

from router.telemetry.characters import harmless, one_line

REDACTED: Final = "[redacted]"
LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}

AUTO, JSON, CONSOLE = FORMS = ("auto", "json", "console")
"""Forms of lines: JSON, or a readable one, or that for terminals and JSON elsewhere."""

_SECRET = re.compile(
    r"(?i)(?:.*[-_.])?(?:authorization|cookie|credentials?|passw(?:or)?d|secret|signature|token"
    r"|api[-_]?key|secret[-_]?key|private[-_]?key)\Z"
)
_FIRST = ("timestamp", "level", "event")


class Stream(Protocol):
    """What a log needs of a text stream."""

    def write(self, text: str, /) -> int:
        """Write; return how much."""
        ...

    def flush(self) -> None:
        """Do not keep anything back."""
        ...

    def isatty(self) -> bool:
        """Whether a person reads it."""
        ...


def configure(level: str, stream: Stream) -> None:
    """Send the router's log, and what libraries log through `logging` (uvicorn), to a stream.

    A stream that cannot be written to costs lines, never the router.

    Args:
        level: the least level that is written; a key of `LEVELS`.
        stream: coloured lines where it is a terminal, JSON lines elsewhere.
    """
    chain = processors(stream)
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _Forgiving(cast("TextIO", stream)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *chain[:-1]],
            processors=[ProcessorFormatter.remove_processors_meta, chain[-1]],
        )
    )
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # what files' changes lead to is told here
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])


def processors(stream: Stream, form: str = AUTO) -> list[Processor]:
    """What makes a line for this stream out of an event and its fields; the last one renders it.

    Args:
        stream: where the lines go; colours only where it is a terminal.
        form: one of `FORMS`.
    """
    terminal = stream.isatty()
    for_person = terminal if form == AUTO else form == CONSOLE
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # The plain form: the structured one would write down every local variable, secrets too.
        structlog.processors.format_exc_info,
        redact,
        _person(colors=terminal) if for_person else render_json,
    ]


def _person(*, colors: bool) -> Processor:
    """Renders a line for a person, without what there is nothing to tell of (None).

    What a stranger wrote must not move the cursor, or look like a line.
    """
    render = structlog.dev.ConsoleRenderer(
        colors=colors,
        exception_formatter=structlog.dev.plain_traceback,
        repr_native_str=True,
    )

    def line(logger: WrappedLogger, method: str, event: EventDict) -> str:
        event["event"] = one_line(str(event.get("event", "")))
        for key in ("exception", "stack"):
            if isinstance(told := event.get(key), str):
                event[key] = harmless(told)
        shown = {key: _shown(value) for key, value in event.items() if value is not None}
        return render(logger, method, shown)

    return line


class _Shown:
    """A value that is no text, as JSON has it: `true`, not `True`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return value
    try:
        return _Shown(one_line(msgspec.json.encode(value, enc_hook=repr).decode()))
    except (TypeError, ValueError, OverflowError):  # as in `render_json`
        return value


def is_secret(name: str) -> bool:
    """Whether a name, or the last part of a dotted one, says that what it stands for is a secret."""
    return _SECRET.match(name) is not None


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put `REDACTED` in place of every value whose key says that it is a secret, however deep it stands."""
    return {key: _redacted(key, value) for key, value in event.items()}


def render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line of JSON: time, level and event first."""
    ordered = {key: event[key] for key in _FIRST if key in event} | dict(event)
    try:
        return one_line(msgspec.json.encode(ordered, enc_hook=repr).decode())
    except (TypeError, ValueError, OverflowError):  # odd keys, lone surrogates, numbers beyond 64 bits
        return json.dumps(ordered, default=repr, skipkeys=True)


def _redacted(key: object, value: Any) -> Any:
    if isinstance(key, str) and value is not None and is_secret(key):
        return REDACTED
    if isinstance(value, dict):
        return {inner: _redacted(inner, found) for inner, found in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(None, found) for found in value]
    return value


class _Forgiving(structlog.WriteLogger):
    """Drops the line where the stream cannot take it: closed, broken, on a full disk."""

    def msg(self, message: str) -> None:
        """Write a line, or not."""
        with contextlib.suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg
