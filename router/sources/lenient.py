"""What known senders get wrong in context attributes, put right.

Nothing is guessed: what cannot be put right is left out. Each function names what it did in a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from router.events import context
from router.events.model import ATTRIBUTE_NAME, SHOWN

_MUST = frozenset(("specversion", "id", "source", "type"))
"""Without these there is no event: whatever is wrong with them is an error."""

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d{1,9})?) ?"
    r"(?:([Zz])|([+-]\d\d):?(\d\d)|([A-Za-z][\w+/-]{1,40}))",
    re.ASCII,
)

_MILLISECONDS = re.compile(r"\d{12,13}", re.ASCII)
"""From 1973 to 2286: shorter numbers may be seconds."""

_ZONES = {
    "PRC": "+08:00",
    "Asia/Shanghai": "+08:00",
    "Asia/Hong_Kong": "+08:00",
    "Asia/Singapore": "+08:00",
    "UTC": "+00:00",
    "GMT": "+00:00",
}
"""What zones are ahead of UTC. The documents' samples have the first two; none of them changes its clocks.

No zone database is asked: it is files, and a stranger could have it look for thousands of them."""

_CONSTANT_SINCE = "1992"
"""The first year for which that is true: in 1991 the clocks of Shanghai went forward for a summer."""


def date_time(text: str) -> str | None:
    """A time that is nearly RFC 3339 as RFC 3339; None if what it means cannot be known.

    Reads `2022-08-09 14:54:17+0800` (a space, an offset without colon) and
    `2020-11-19T21:04:42.179PRC` (the name of a zone instead of an offset).
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    date, time, utc, hours, minutes, zone = found.groups()
    offset = "Z" if utc else f"{hours}:{minutes}" if hours else _ZONES.get(zone)
    if offset is None or (zone and date < _CONSTANT_SINCE):
        return None
    fixed = f"{date}T{time}{offset}"
    return fixed if context.is_date_time(fixed) else None


def epoch_time(value: Any) -> str | None:
    """Milliseconds since 1970, as text, as an RFC 3339 time; None for anything else.

    >>> epoch_time("1724133063161"), epoch_time("2024-08-20T05:51:03Z")
    ('2024-08-20T05:51:03.161Z', None)
    """
    if type(value) is not str or not _MILLISECONDS.fullmatch(value):
        return None
    seconds, milliseconds = divmod(int(value), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def mend(attributes: dict[str, Any]) -> Iterator[str]:
    """Put right, or leave out, the attributes that an event can do without; a note for each.

    `time-normalised`, and `NAME-dropped` for what no CloudEvent may carry; `attribute-dropped` where the
    name itself is what is wrong, or too long for a note.
    """
    for name, value in list(attributes.items()):
        if name in _MUST or value is None or context.complaint(name, value) is None:
            continue
        fixed = date_time(value) if name == "time" and type(value) is str else None
        if fixed is None:
            del attributes[name]
            known = len(name) <= SHOWN and ATTRIBUTE_NAME.match(name)
            yield f"{name if known else 'attribute'}-dropped"
        else:
            attributes[name] = fixed
            yield f"{name}-normalised"
