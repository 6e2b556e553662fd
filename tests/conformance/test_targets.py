"""The built-in kinds keep the contract of targets."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.events import Event, EventError
from router.events.http import decode_binary
from router.events.json_format import decode
from router.targets.file import FileKind
from router.targets.http import HttpKind
from router.targets.log import DATA_CHARACTERS, LogKind
from router.testing.targets import Bench, Receipt, TargetContract
from tests.receiver import Answer, Receiver, Request


def _of_event(delivery: str, read: Callable[[], Event]) -> Receipt:
    try:
        event = read()
    except EventError:  # a hostile event; that it came is enough
        return Receipt(delivery, None)
    return Receipt(delivery, event.data, event.attributes())


def _structured(request: Request) -> Receipt:
    delivery = request.headers["idempotency-key"]
    if request.headers["content-type"] == "application/cloudevents+json":
        return _of_event(delivery, lambda: decode(request.body))
    return Receipt(delivery, request.body)


def _binary(request: Request) -> Receipt:
    delivery = request.headers["idempotency-key"]
    if "ce-id" in request.headers:
        headers = {name: value.encode().decode("latin-1") for name, value in request.headers.items()}
        return _of_event(delivery, lambda: decode_binary(headers, request.body))
    return Receipt(delivery, request.body)


def _data(request: Request) -> Receipt:
    # HTTP cannot tell "no payload" from "an empty one" but by the content type.
    content = request.body if "content-type" in request.headers else None
    return Receipt(request.headers["idempotency-key"], content)


class HttpBench(Bench):
    """A receiver on loopback."""

    def __init__(
        self,
        receiver: Receiver,
        folder: Path,
        way: str,
        receipt: Callable[[Request], Receipt],
        carries: frozenset[str] | None = None,
        **more: Any,
    ) -> None:
        self.kind = HttpKind()
        self.settings = {"url": f"{receiver.url}/hook", "format": way, **more}
        self.folder = folder
        self.carries = carries
        self._receiver = receiver
        self._receipt = receipt
        self._gate = receiver.gate()
        self._usual = receiver.decide

    def received(self) -> list[Receipt]:
        return [self._receipt(request) for request in self._receiver.requests]

    def go_down(self) -> None:
        self._receiver.stop()

    def come_back(self) -> None:
        self._receiver.start()

    def stall(self) -> threading.Event:
        waits = threading.Event()

        def hold(_: Request) -> Answer:
            waits.set()
            return Answer(gate=self._gate)

        self._receiver.decide = hold
        return waits

    def resume(self) -> None:
        self._receiver.decide = self._usual
        self._gate.open()


class TestHttpStructured(TargetContract):
    @pytest.fixture
    def bench(self, receiver: Receiver, tmp_path: Path) -> HttpBench:
        return HttpBench(receiver, tmp_path, "structured", _structured)


class TestHttpBinary(TargetContract):
    @pytest.fixture
    def bench(self, receiver: Receiver, tmp_path: Path) -> HttpBench:
        made = HttpBench(receiver, tmp_path, "binary", _binary, auth={"bearer": "a-token-of-the-far-side"})
        made.secrets = ("a-token-of-the-far-side",)
        return made


class TestHttpSigned(TargetContract):
    @pytest.fixture
    def bench(self, receiver: Receiver, tmp_path: Path) -> HttpBench:
        sign = {"bce": {"id": "ak-1", "secret": "a-secret-of-baidu"}}
        made = HttpBench(receiver, tmp_path, "structured", _structured, sign=sign)
        made.secrets = ("a-secret-of-baidu",)
        return made


class TestHttpData(TargetContract):
    @pytest.fixture
    def bench(self, receiver: Receiver, tmp_path: Path) -> HttpBench:
        sign = {"hmac": {"header": "x-signature", "secret": "a-key-for-both"}}
        auth = {"api-key": {"query": "key", "value": "a-key-in-the-query"}}
        made = HttpBench(receiver, tmp_path, "data", _data, frozenset(), sign=sign, auth=auth)
        made.secrets = ("a-key-for-both", "a-key-in-the-query")
        return made


class _Record(msgspec.Struct):
    id: str
    event: msgspec.Raw = msgspec.Raw()
    body: msgspec.Raw = msgspec.Raw()


class FileBench(Bench):
    """A folder; it is down while a file stands where a folder was."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.kind = FileKind()
        self.settings = {"path": "audit/{date}.jsonl", **more}
        self.folder = folder
        self._audit = folder / "audit"
        self._away = folder / "away"

    def received(self) -> list[Receipt]:
        return [
            self._receipt(msgspec.json.decode(line, type=_Record))
            for file in sorted(self._audit.iterdir())
            for line in file.read_bytes().split(b"\n")[:-1]
        ]

    def go_down(self) -> None:
        self._audit.rename(self._away)
        self._audit.touch()

    def come_back(self) -> None:
        self._audit.unlink()
        self._away.rename(self._audit)

    @staticmethod
    def _receipt(record: _Record) -> Receipt:
        if record.event:
            return _of_event(record.id, lambda: decode(bytes(record.event)))
        body = bytes(record.body)
        # What is not JSON was written as a string.
        return Receipt(record.id, msgspec.json.decode(body, type=str).encode() if body[:1] == b'"' else body)


class TestFile(TargetContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> FileBench:
        return FileBench(tmp_path)


class TestFileChained(TargetContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> FileBench:
        return FileBench(tmp_path, chain=True)


class FragileStream(io.StringIO):
    """A stream that can be broken as a full disk would."""

    broken = False

    def write(self, text: str) -> int:
        if self.broken:
            raise OSError(28, "No space left on device")
        return super().write(text)


class LogBench(Bench):
    """A stream that is read line by line."""

    most = DATA_CHARACTERS
    carries = frozenset({"type", "source", "subject", "id"})

    def __init__(self, folder: Path) -> None:
        self._stream = FragileStream()
        self.kind = LogKind(self._stream)
        self.settings = {"level": "warning"}
        self.folder = folder

    def received(self) -> list[Receipt]:
        lines = [msgspec.json.decode(line) for line in self._stream.getvalue().split("\n")[:-1]]
        return [
            Receipt(
                line["delivery"],
                line["data"].encode() if "data" in line else None,
                {name: line[name] for name in self.carries or () if name in line},
            )
            for line in lines
        ]

    def go_down(self) -> None:
        self._stream.broken = True

    def come_back(self) -> None:
        self._stream.broken = False


class TestLog(TargetContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> LogBench:
        return LogBench(tmp_path)
