"""The router's log: what a line looks like, what it never says, and that it cannot hurt."""

from __future__ import annotations

import io
import json
import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.log import LEVELS, REDACTED, configure, processors, redact, render_json


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    configure("info", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_and_event_first(stream: io.StringIO) -> None:
    structlog.get_logger().info("delivery.dead", target="chat", attempts=3)
    (line,) = lines(stream)
    assert list(line) == ["timestamp", "level", "event", "target", "attempts"]
    assert (line["level"], line["event"], line["attempts"]) == ("info", "delivery.dead", 3)


def test_times_are_utc(stream: io.StringIO) -> None:
    structlog.get_logger().info("x.y")
    stamp = lines(stream)[0]["timestamp"]
    assert stamp.endswith("Z")
    assert datetime.fromisoformat(stamp).utcoffset() == timedelta(0)


@pytest.mark.parametrize("level", LEVELS)
def test_lower_levels_are_left_out(level: str) -> None:
    stream = io.StringIO()
    configure(level, stream)
    for name in LEVELS:
        structlog.get_logger().log(LEVELS[name], f"own.{name}")
        logging.getLogger("library").log(LEVELS[name], "foreign.%s", name)
    written = [line["event"] for line in lines(stream)]
    expected = [name for name in LEVELS if LEVELS[name] >= LEVELS[level]]
    assert written == [f"{who}.{name}" for name in expected for who in ("own", "foreign")]


def test_loggers_made_before_the_configuration_follow_it() -> None:
    early = structlog.get_logger("early")
    stream = io.StringIO()
    configure("info", stream)
    early.info("x.y")
    assert lines(stream)[0]["event"] == "x.y"


def test_what_libraries_log_comes_out_the_same_way(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request: %s", "rubbish")
    (line,) = lines(stream)
    line.pop("timestamp")
    assert line == {
        "level": "warning",
        "event": "Invalid HTTP request: rubbish",
        "logger": "uvicorn.error",
    }


def test_configuring_again_doubles_nothing(stream: io.StringIO) -> None:
    configure("info", stream)
    logging.getLogger("library").info("once")
    assert len(lines(stream)) == 1


def test_context_is_bound_to_lines(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request="r1"):
        structlog.get_logger().info("x.y")
    assert lines(stream)[0]["request"] == "r1"


PASSWORD = "hunter2"


def fail(password: str) -> None:
    raise RuntimeError(f"no good after {len(password)} characters")


@pytest.mark.parametrize("foreign", [False, True])
def test_an_exception_is_told_without_the_values_of_variables(stream: io.StringIO, *, foreign: bool) -> None:
    logger = logging.getLogger("library") if foreign else structlog.get_logger()
    try:
        fail(PASSWORD)
    except RuntimeError:
        logger.exception("task.failed")
    (line,) = lines(stream)
    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("RuntimeError: no good after 7 characters")
    assert PASSWORD not in stream.getvalue()


SECRET_KEYS = [
    "authorization",
    "Authorization",
    "Proxy-Authorization",
    "token",
    "access_token",
    "Access-Token",
    "secret",
    "client_secret",
    "password",
    "passwd",
    "x-bce-security-token",
    "cookie",
    "Set-Cookie",
    "x-api-key",
    "apikey",
    "api_key",
    "secret_key",
    "private-key",
    "webhook-signature",
    "credentials",
    "data.token",
    "event.user.api_key",
]


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_secrets_are_redacted_at_any_depth(key: str, stream: io.StringIO) -> None:
    structlog.get_logger().info("x.y", **{key: "hunter2"})
    structlog.get_logger().info("x.y", request={"headers": [{key: "hunter2"}, {key: ["hunter2"]}]})
    logging.getLogger("library").info("x.y")
    assert "hunter2" not in stream.getvalue()
    assert lines(stream)[0][key] == REDACTED
    assert lines(stream)[1]["request"]["headers"] == [{key: REDACTED}, {key: REDACTED}]


@pytest.mark.parametrize(
    "key", ["id", "tokens_used", "secretary", "key", "author", "message", "passage", "signed"]
)
def test_other_keys_keep_their_values(key: str) -> None:
    assert redact(None, "info", {key: "value"}) == {key: "value"}


def test_an_absent_secret_is_seen_to_be_absent() -> None:
    assert redact(None, "info", {"token": None}) == {"token": None}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_whatever_is_logged_becomes_one_line(event: dict[str, Any]) -> None:
    line = render_json(None, "info", redact(None, "info", event))
    assert "\n" not in line
    assert isinstance(json.loads(line), dict)


@pytest.mark.parametrize(
    "value", [Path("/x"), {1, 2}, object(), 10**40, "\ud800", {None: 1}, ValueError("x")]
)
def test_odd_values_do_not_cost_the_line(value: object, stream: io.StringIO) -> None:
    structlog.get_logger().info("x.y", value=value)
    assert lines(stream)[0]["event"] == "x.y"


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(32, f"Broken pipe for {len(text)} characters")


def test_a_stream_that_breaks_costs_lines_and_nothing_else() -> None:
    configure("info", Broken())
    structlog.get_logger().info("x.y")
    structlog.get_logger().log(logging.ERROR, "x.y")
    structlog.get_logger().exception("x.y")


def test_a_person_at_a_terminal_gets_no_json() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    configure("info", stream)
    structlog.get_logger().info("delivery.dead", target="chat", token="hunter2")
    logging.getLogger("library").info("foreign")
    try:
        fail(PASSWORD)
    except RuntimeError:
        structlog.get_logger().exception("task.failed", detail="\x1b[2J\n")
    own, foreign, _, *trace = stream.getvalue().splitlines()
    assert trace[-1] == "RuntimeError: no good after 7 characters"
    assert PASSWORD not in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()
    assert "delivery.dead" in own
    assert not own.startswith("{")
    assert "hunter2" not in own
    assert "foreign" in foreign


class Person(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_sees_json_s_words_and_nothing_of_what_is_not_there() -> None:
    stream = io.StringIO()
    event = {"event": "x.y", "a": None, "b": True, "c": [None, "it's", 1.5], "d": {"e": False}, "f": "it's"}
    line: Any = event
    for process in processors(stream, "console"):
        line = process(None, "info", line)
    assert line.split("x.y")[1].split() == ["b=true", 'c=[null,"it\'s",1.5]', 'd={"e":false}', 'f="it\'s"']


@pytest.mark.parametrize("value", [{1: "\ud800"}, 2**70, {(1, 2): 3}, object(), b"\x9b"])
def test_odd_values_do_not_cost_a_person_the_line(value: object) -> None:
    stream = Person()
    configure("info", stream)
    structlog.get_logger().info("x.y", value=value, other=1)
    assert "value" in stream.getvalue()
    assert "\x9b" not in stream.getvalue()


@pytest.mark.parametrize("stream", [Person(), io.StringIO()], ids=["person", "json"])
def test_strangers_move_no_cursor_and_forge_no_line(stream: io.StringIO) -> None:
    evil = "\x9b2J\u202e\u2028\x1b[2J"
    configure("info", stream)
    logging.getLogger("library").warning("Invalid request: %s\n", evil)
    structlog.get_logger().info("x.y", value=evil, nested=[{"k": evil}])
    structlog.get_logger().error("task.failed", exc_info=RuntimeError(evil))
    for character in ("\x9b", "\u202e", "\u2028", "\x1b[2J"):
        assert character not in stream.getvalue()
