"""What a CloudEvent holds besides its payload's JSON text."""

from __future__ import annotations

from collections.abc import Mapping

from router.events import Event, canonical
from router.events.model import SPEC_ATTRIBUTES, is_json_media_type, text_of
from router.patterns.index.recording import Segments, UnreadableError
from router.patterns.index.scan import Scan

DATA = "data"
_NO_FIELDS = b"{}"
_TAKEN = frozenset((*SPEC_ATTRIBUTES, DATA))


class Envelope:
    """The fields of CloudEvents that are no fields of their payloads."""

    def __init__(self, paths: Mapping[Segments, int]) -> None:
        """Get ready for those of these fields, which have numbers."""
        fields = {path[0]: field for path, field in paths.items() if not path[1:]}
        self._data = fields.pop(DATA, None)
        self._attributes = [(name, fields.pop(name)) for name in SPEC_ATTRIBUTES if name in fields]
        self._extensions = fields

    def unwrap(self, scan: Scan, event: Event) -> bytes:
        """Scan the attributes, and a payload that is not JSON.

        Returns:
            The payload that is JSON; where there is none an object without fields.

        Raises:
            UnreadableError: extensions have illegal names, which say something twice, or what is data.
        """
        take, leaves, extensions = scan.take, scan.leaves, event.extensions
        for name, field in self._attributes:
            text = getattr(event, name)
            if text is not None:
                take(leaves[field], text)
        if extensions:
            if not _TAKEN.isdisjoint(extensions) or "." in "".join(extensions):
                raise UnreadableError
            for name, field in self._extensions.items():
                if name in extensions:
                    take(leaves[field], canonical(extensions[name]))
        payload = event.data
        if payload is None:
            return _NO_FIELDS
        if is_json_media_type(event.datacontenttype):
            return payload
        if self._data is not None:
            take(leaves[self._data], text_of(payload))
        return _NO_FIELDS
