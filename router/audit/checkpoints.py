"""Signed checkpoints: so many records there were at that time, and this was the last one's hash. Pure.

A file that is cut back together with its own checkpoints is a valid older file: so checkpoints are kept
elsewhere, too, wherever events go. They are found again in any text that holds them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TYPE: Final = "rule-router.audit.checkpoint"
"""The type of the event that tells of a checkpoint."""

_TEXT: Final = "rule-router audit checkpoint 1\n{}\n{}\n{}\n{}\n"
"""What is signed: nothing that this key signs for another purpose can be taken for it."""

_FOUND: Final = re.compile(
    rb'\{\s*"chain":\s*"[a-z0-9-]+",\s*"count":\s*(?:0|[1-9][0-9]{0,17}),\s*"head":\s*"[0-9a-f]{64}",'
    rb'\s*"time":\s*"[0-9TZ:.+-]+",\s*"signature":\s*"[A-Za-z0-9+/=]*"\s*\}'
)


class _Event(msgspec.Struct, frozen=True):
    type: str


class _Record(msgspec.Struct, frozen=True):
    rules: tuple[str, ...]
    event: _Event


_RECORD: Final = msgspec.json.Decoder(_Record)


class Checkpoint(msgspec.Struct, frozen=True):
    """How a chain was at some time.

    Attributes:
        chain: the target's name.
        count: how many records there were.
        head: the hash of the last of them, 64 hexadecimal digits.
        time: when that was (RFC 3339).
        signature: ed25519 (RFC 8032) over the other members, in base64.
    """

    chain: str
    count: int
    head: str
    time: str
    signature: str = ""

    def _signed(self) -> bytes:
        return _TEXT.format(self.chain, self.count, self.head, self.time).encode()

    def signed(self, key: Ed25519PrivateKey) -> Checkpoint:
        """The same with its signature."""
        return msgspec.structs.replace(self, signature=base64.b64encode(key.sign(self._signed())).decode())

    def is_signed_by(self, keys: Iterable[Ed25519PublicKey]) -> bool:
        """Whether one of these keys made the signature."""
        try:
            signature = base64.b64decode(self.signature, validate=True)
        except binascii.Error:
            return False
        return any(_is_signature(key, signature, self._signed()) for key in keys)


def _is_signature(key: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True


class Found(NamedTuple):
    """What a line holds that looks like a checkpoint.

    Attributes:
        line: which; the first one is 1.
        checkpoint: None where it cannot be read.
        is_own: whether it stands where the router itself puts them: alone in a line, or as the event of one
            that no rule was asked about. Anywhere else a stranger may have sent it.
        is_torn: whether the line is unfinished, and no checkpoint: a crash leaves such a one at the end. It
            tells no more than if it were not there at all.
    """

    line: int
    checkpoint: Checkpoint | None
    is_own: bool
    is_torn: bool = False


def looked_at(lines: Iterable[bytes]) -> Iterator[Found]:
    """All in these lines that looks like a checkpoint."""
    for number, line in enumerate(lines, 1):
        text = line.replace(b"\\", b"")
        if b'"head"' not in text or b'"signature"' not in text:
            continue
        is_own = text.startswith(b'{"chain"') or _is_told(line)
        found = list(found_in([line]))
        yield from (Found(number, one, is_own) for one in found)
        if not found:
            yield Found(number, None, is_own, is_torn=not line.endswith(b"\n"))


def _is_told(line: bytes) -> bool:
    """Whether a `file` target's line is of an event by which the router itself tells of a checkpoint."""
    try:
        record = _RECORD.decode(line)
    except msgspec.MsgspecError:
        return False
    return record.event.type == TYPE and not record.rules


def found_in(lines: Iterable[bytes]) -> Iterator[Checkpoint]:
    """The checkpoints in lines of text: on their own, inside of other JSON, or in a text inside of that."""
    for line in lines:
        for found in _FOUND.finditer(line.replace(b"\\", b"")):
            yield msgspec.json.decode(found.group(), type=Checkpoint)
