"""A head that comes again: most senders say the same with every request, but for the length of the body.

What a head means the parser decides, and `Visit` whether it is taken. Once both have let one pass, the same
bytes mean the same for as long as the connection and the doors are the same: no need to ask again.
"""

from __future__ import annotations

from router.web.app import Doors
from router.web.visit import Visit

LONGEST = 4_096
"""Bytes of a head that is remembered, at most: each connection may hold one."""

PATIENCE = 8
"""After so many heads that did not come again none is remembered any more: some senders repeat none."""

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_DIGITS = 16


class Memory:
    """The latest head of a connection that went the direct way and was not refused.

    Attributes:
        doors: those that it was meant for; None where nothing is remembered.
        patience: how many more heads are remembered.
    """

    __slots__ = ("_after", "_before", "_head", "_headers", "_place", "_size", "doors", "patience")

    def __init__(self) -> None:
        self.doors: Doors | None = None
        self.patience = PATIENCE

    def recall(self, packet: bytes) -> Visit | None:
        """The request that this packet is: all of one with that head, and nothing else.

        Of the head nothing but the digits of its Content-Length may differ. Asked only if there is one.
        """
        if not packet.startswith(self._head) and not self._renumbered(packet):
            return None
        if len(packet) != self._size:
            return None
        self.patience = PATIENCE
        door, path, scope = self._place
        visit = Visit(door, path, "", self._headers, scope)
        visit.take(packet[len(self._head) :])
        return visit

    def learn(self, packet: bytes, doors: Doors, visit: Visit) -> None:
        """Remember the head of this request, if it can come again.

        Args:
            packet: begins with it, and has all of the request, and perhaps something after it.
            doors: where the request went.
            visit: what the parser made of it, whole.
        """
        self.patience -= 1
        self.doors = None
        end = packet.find(_END, 0, LONGEST) + len(_END)
        length = visit.headers.get("content-length", "")
        if not self.patience or not length or end + int(length) != len(packet):
            return
        head = packet[:end]
        digits = head.index(length.encode(), head.lower().index(_LENGTH) + len(_LENGTH))
        self._before, self._after = head[:digits], head[digits + len(length) :]
        self._place = visit.door, visit.path, visit.scope
        self._remember(head, length, visit.headers)
        self.doors = doors

    def _renumbered(self, packet: bytes) -> bool:
        """Whether it begins with the same head but for these digits; then they are remembered."""
        begin = len(self._before)
        end = packet.find(b"\r", begin, begin + _DIGITS)
        if not (packet.startswith(self._before) and packet.startswith(self._after, end)):
            return False
        digits = packet[begin:end]
        if not digits.isdigit():
            return False
        length = digits.decode()
        self._remember(packet[: end + len(self._after)], length, {**self._headers, "content-length": length})
        return True

    def _remember(self, head: bytes, length: str, headers: dict[str, str]) -> None:
        self._head, self._headers = head, headers
        self._size = len(head) + int(length)
