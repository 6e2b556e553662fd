"""Checkpoints: signed, and found again in whatever a target has made of them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.audit import keys
from router.audit.checkpoints import Checkpoint, found_in
from router.errors import ConfigurationError
from router.targets.base import Message
from router.targets.file_checkpoints import event_of
from router.targets.lines import line_of
from tests.audit.chains import KEY, LINES_OF_CHAIN, OTHER_KEY, checkpoint

MADE = checkpoint(LINES_OF_CHAIN, 3)
TEXT = msgspec.json.encode(MADE)


def test_a_signature_holds_for_one_key_and_one_text() -> None:
    public, other = KEY.public_key(), OTHER_KEY.public_key()
    assert MADE.is_signed_by([public])
    assert MADE.is_signed_by([other, public])
    assert not MADE.is_signed_by([other])
    assert not MADE.is_signed_by([])


@pytest.mark.parametrize(
    "change",
    [
        {"chain": "other"},
        {"count": 4},
        {"head": "0" * 64},
        {"time": "2026"},
        {"signature": ""},
        {"signature": "x"},
    ],
)
def test_whatever_is_changed_the_signature_does_not_hold(change: dict[str, object]) -> None:
    assert not msgspec.structs.replace(MADE, **change).is_signed_by([KEY.public_key()])


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        json.dumps(json.loads(TEXT), indent=None).encode(),
        b"2026-11-22 info event.routed data=" + TEXT + b" target=console",
        json.dumps({"event": "event.routed", "data": TEXT.decode()}).encode(),
        json.dumps({"text": json.dumps({"data": TEXT.decode()})}).encode(),
        line_of(Message("1-copy", 1, event_of(MADE), None, (), 1), 0.0),
    ],
    ids=["alone", "with spaces", "in a line", "as a text", "as a text in a text", "in a file"],
)
def test_it_is_found_in_what_targets_write(text: bytes) -> None:
    assert list(found_in([b"", text, b"something else"])) == [MADE]


@given(st.lists(st.binary()))
def test_what_is_none_is_passed_over(lines: list[bytes]) -> None:
    assert list(found_in(lines)) == []


class TestKeys:
    def test_one_is_made_for_its_owner_alone_and_read_again(self, tmp_path: Path) -> None:
        path, public = tmp_path / "audit.key", tmp_path / "audit.pub"
        public.write_text(keys.make(path))
        assert path.stat().st_mode & 0o777 == 0o600
        signed = Checkpoint("audit", 1, "0" * 64, "2026").signed(keys.private(path.read_text()))
        assert signed.is_signed_by([keys.public(public)])

    def test_none_is_written_over(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.key"
        path.write_text("precious")
        with pytest.raises(ConfigurationError, match="File exists"):
            keys.make(path)
        assert path.read_text() == "precious"

    @pytest.mark.parametrize(
        "text", ["", "no key", "-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----\n"]
    )
    def test_what_is_no_key(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "audit.pub"
        path.write_text(text)
        with pytest.raises(ConfigurationError, match="holds no ed25519 public key"):
            keys.public(path)
        with pytest.raises(ValueError, match="router audit key FILE makes one"):
            keys.private(text)

    def test_a_key_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
            keys.public(tmp_path / "audit.pub")
