"""The `log` kind: one line for each message, and never the router's stall."""

from __future__ import annotations

import io
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.events import Event
from router.targets.base import Body, Delivered, Message, Outcome, RetryLater, Surroundings
from router.targets.log import DATA_CHARACTERS, LogKind, LogSettings
from router.telemetry.log import configure

EVENT = Event(
    id="7", source="/cameras/1", type="imm:Task", subject="photo.jpg", data=b'{"token": "t0k", "n": 1.0}'
)


def message(event: Event = EVENT, body: Body | None = None) -> Message:
    return Message("12-console", 12, event, body, ("everything", "blocks"), 1)


async def deliver(stream: TextIO | None, *messages: Message, **settings: Any) -> list[Outcome]:
    surroundings = Surroundings("console", Path("data"), loopback=True)
    async with LogKind(stream).open(LogSettings.model_validate(settings), surroundings) as target:
        return list(await target.deliver(messages or [message()]))


async def line_of(sent: Message, **settings: Any) -> dict[str, Any]:
    stream = io.StringIO()
    assert await deliver(stream, sent, **settings) == [Delivered()]
    line: dict[str, Any] = msgspec.json.decode(stream.getvalue())
    return line


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"level": "loud"}, "Input should be 'debug'"),
        ({"level": "INFO"}, "Input should be 'debug'"),
        ({"levels": {"a": "loud"}}, "Input should be 'debug'"),
        ({"stream": "stderr"}, "Extra inputs"),
        ({"to": "file"}, "Input should be 'stdout'"),
        ({"format": "xml"}, "Input should be 'auto'"),
        ({"fields": ["id", "data."]}, "at character 6: the expression ends too early"),
        (
            {"fields": ["lenght(data)"]},
            "at character 1: there is no function lenght(); did you mean 'length'?",
        ),
        ({"fields": ["level"]}, "a line has a 'level' of its own"),
        ({"syslog": {}}, "syslog says where to: syslog goes"),
        ({"to": "syslog", "syslog": {"address": "nowhere"}}, "write the path of a socket"),
        ({"to": "syslog", "syslog": {"facility": "kern"}}, "Input should be 'user'"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        LogSettings.model_validate(settings)
    assert said in str(refused.value)


@pytest.mark.anyio
class TestLines:
    async def test_a_line_says_what_went_where_and_why(self) -> None:
        line = await line_of(message())
        assert line.pop("timestamp").endswith("Z")
        assert line == {
            "level": "info",
            "event": "event.routed",
            "target": "console",
            "type": "imm:Task",
            "source": "/cameras/1",
            "subject": "photo.jpg",
            "id": "7",
            "rules": ["everything", "blocks"],
            "delivery": "12-console",
            "data": '{"token": "t0k", "n": 1.0}',
        }

    async def test_what_an_event_has_not_its_line_has_not(self) -> None:
        line = await line_of(message(Event(id="1", source="/s", type="t")))
        assert not {"subject", "data"} & line.keys()

    async def test_a_transformed_body_is_shown_instead_of_the_payload(self) -> None:
        line = await line_of(message(body=Body("Blocked: ü".encode(), "text/plain")))
        assert line["data"] == "Blocked: ü"

    @pytest.mark.parametrize(
        ("size", "shown"),
        [(DATA_CHARACTERS, "ü" * DATA_CHARACTERS), (DATA_CHARACTERS + 1, "ü" * DATA_CHARACTERS + "…")],
    )
    async def test_a_long_payload_is_cut(self, size: int, shown: str) -> None:
        event = Event(id="1", source="/s", type="t", datacontenttype="text/plain", data=("ü" * size).encode())
        assert (await line_of(message(event)))["data"] == shown

    async def test_an_event_cannot_forge_a_line_or_a_field(self) -> None:
        forged = '\n{"level":"error","event":"forged"}\n\x1b[2J'
        event = Event(
            id=forged, source=forged, type=forged, datacontenttype="text/plain", data=forged.encode()
        )
        stream = io.StringIO()
        await deliver(stream, message(event))
        assert stream.getvalue().count("\n") == 1
        assert "\x1b" not in stream.getvalue()
        assert msgspec.json.decode(stream.getvalue())["data"] == forged

    @pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
    async def test_the_level_is_what_the_lines_carry_and_hides_none(self, level: str) -> None:
        configure("error", io.StringIO())
        stream = io.StringIO()
        await deliver(stream, level=level)
        assert msgspec.json.decode(stream.getvalue())["level"] == level

    @pytest.mark.parametrize(
        ("rules", "level"),
        [
            (("a",), "warning"),
            (("b",), "debug"),
            (("a", "b", "c"), "warning"),
            (("b", "c"), "info"),
            (("c",), "info"),
            ((), "info"),
        ],
    )
    async def test_a_rules_own_level(self, rules: tuple[str, ...], level: str) -> None:
        sent = Message("1-c", 1, EVENT, None, rules, 1)
        assert (await line_of(sent, levels={"a": "warning", "b": "debug"}))["level"] == level

    @pytest.mark.parametrize("form", ["json", "console"])
    @pytest.mark.parametrize(
        "field",
        [
            "data.token",
            "data.a.b.password",
            'data."api-key"',
            "data.tokens[0].token",
            "upper(data.token)",
            "to_json(data.a)||data.token",
            "data.[token]",
            "data.{t: token}",
            "join('', [id, data.token])",
            "data.a.*.password",
            "data",
        ],
    )
    async def test_no_chosen_field_shows_a_secret(self, field: str, form: str) -> None:
        data = {
            "token": "t0k",
            "api-key": "t0k",
            "a": {"b": {"password": "t0k"}},
            "tokens": [{"token": "t0k"}],
        }
        event = Event(
            id="7",
            source="/s",
            type="t",
            datacontenttype="application/json",
            data=msgspec.json.encode(data | ({"a": None} if "||" in field else {})),
        )
        stream = io.StringIO()
        assert await deliver(stream, message(event), fields=[field], format=form) == [Delivered()]
        assert "t0k" not in stream.getvalue().lower()
        assert "[redacted]" in stream.getvalue()

    async def test_what_only_looks_at_a_secret_shows_what_it_gives(self) -> None:
        data = b'{"token": "t0k", "l": [{"token": "t0k", "n": 1}]}'
        event = Event(id="7", source="/s", type="t", data=data, datacontenttype="application/json")
        fields = ["data.token == 't0k'", "data.l[?token == 't0k'].n", "data.gone.token"]
        line = await line_of(message(event), fields=fields)
        assert [line[field] for field in fields] == [True, [1], None]

    async def test_chosen_fields_stand_instead_of_the_usual(self) -> None:
        fields = ["id", "data.n", "data.gone", "upper(subject)", "length(data.gone)", "data", "self", "&id"]
        line = await line_of(message(), fields=fields)
        assert line.pop("length(data.gone)").startswith("(the expression 'length(data.gone)' failed: ")
        assert line.pop("&id") == "(_Expression is not JSON)"
        assert line.pop("timestamp")
        assert line == {
            "level": "info",
            "event": "event.routed",
            "target": "console",
            "id": "7",
            "data.n": 1.0,
            "data.gone": None,
            "upper(subject)": "PHOTO.JPG",
            "data": {"token": "[redacted]", "n": 1.0},
            "self": None,
            "rules": ["everything", "blocks"],
            "delivery": "12-console",
        }

    async def test_a_long_field_is_cut(self) -> None:
        event = Event(
            id="1", source="/s", type="t", data=msgspec.json.encode({"a": ["x" * 3000], "b": "y" * 3000})
        )
        line = await line_of(message(event), fields=["data.a", "data.b"])
        assert line["data.a"] == '["' + "x" * (DATA_CHARACTERS - 2) + "…"
        assert line["data.b"] == "y" * DATA_CHARACTERS + "…"

    async def test_the_form_can_be_chosen(self) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        plain, terminal = io.StringIO(), Terminal()
        await deliver(plain, format="console")
        await deliver(terminal, format="json")
        assert "event.routed" in plain.getvalue()
        assert not plain.getvalue().startswith("{")
        assert "\x1b" not in plain.getvalue()
        assert msgspec.json.decode(terminal.getvalue())["id"] == "7"

    async def test_standard_error_is_there_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        await deliver(None, to="stderr")
        out, err = capsys.readouterr()
        assert (out, msgspec.json.decode(err)["delivery"]) == ("", "12-console")

    @pytest.mark.parametrize("form", ["json", "console"])
    @given(
        st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x1b\x9b\n\r\x7f\u2028\u202e"))
    )
    async def test_whatever_strangers_write_a_line_is_one_and_moves_no_cursor(
        self, form: str, text: str
    ) -> None:
        event = Event(id="1", source="/s", type=text, datacontenttype="text/plain", data=text.encode())
        for fields in (None, ["type", "[data]", "{k: data}"]):
            stream = io.StringIO()
            assert await deliver(stream, message(event), format=form, fields=fields) == [Delivered()]
            (line,) = stream.getvalue().splitlines()
            assert stream.getvalue() == f"{line}\n"
            assert not {unicodedata.category(one) for one in line} & {"Cc", "Zl", "Zp"}

    async def test_standard_output_is_where_lines_go(self, capsys: pytest.CaptureFixture[str]) -> None:
        await deliver(None)
        assert msgspec.json.decode(capsys.readouterr().out)["delivery"] == "12-console"

    async def test_a_person_at_a_terminal_gets_no_json(self) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        stream = Terminal()
        event = Event(id="1", source="/s", type="t", subject="\x1b[2J\n", datacontenttype="text/plain")
        await deliver(stream, message(event))
        assert "event.routed" in stream.getvalue()
        assert not stream.getvalue().startswith("{")
        assert stream.getvalue().count("\n") == 1
        assert "\x1b[2J" not in stream.getvalue()


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """A pipe: where to read, and a stream that writes line by line."""
    reading, writing = os.pipe()
    stream = open(writing, "w", encoding="utf-8")  # noqa: SIM115, PTH123 -- closed below; a descriptor is no path
    yield reading, stream
    os.close(reading)
    stream.close()


@pytest.mark.anyio
class TestFailures:
    async def test_a_closed_stream_keeps_everything_for_later(self) -> None:
        class Closed(io.StringIO):
            def write(self, text: str) -> int:
                self.close()
                return super().write(text)

        outcomes = await deliver(Closed(), message(), message())
        reason = "standard output cannot be written to: I/O operation on closed file"
        assert outcomes == [RetryLater(reason)] * 2

    async def test_what_was_written_before_the_failure_is_delivered(self) -> None:
        class TwoLines(io.StringIO):
            def write(self, text: str) -> int:
                if self.getvalue().count("\n") == 2:
                    raise OSError(28, "No space left on device")
                return super().write(text)

        outcomes = await deliver(TwoLines(), message(), message(), message(), message())
        later = RetryLater("standard output cannot be written to: [Errno 28] No space left on device")
        assert outcomes == [Delivered(), Delivered(), later, later]

    async def test_a_reader_that_stalls_stalls_nobody_else(self, pipe: tuple[int, TextIO]) -> None:
        """More than a pipe holds, and nobody reads it until the event loop has shown that it goes on."""
        reading, stream = pipe
        messages = [message() for _ in range(100)]
        outcomes: list[Outcome] = []

        async def write() -> None:
            for _ in range(10):
                outcomes.extend(await deliver(stream, *messages))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            turns = 0
            while turns < 1000:
                await anyio.lowlevel.checkpoint()
                turns += 1
            assert len(outcomes) < 1000
            with open(reading, "rb", closefd=False) as reader:  # noqa: ASYNC230 -- read in a thread
                lines = [await anyio.to_thread.run_sync(reader.readline) for _ in range(1000)]
        assert outcomes == [Delivered()] * 1000
        assert all(msgspec.json.decode(line)["id"] == "7" for line in lines)
