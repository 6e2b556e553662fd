"""Passes the trace of an event on to the request that delivers it.

The CloudEvents extension "Distributed Tracing" has `traceparent` and `tracestate` in the event; HTTP has
both as headers (W3C Trace Context, Recommendation, sections 3.2 and 3.3). What is not well-formed is left
out, as section 4.3 has it: a wrong trace is no reason not to deliver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from router.events.model import Attribute

PARENT = "traceparent"
STATE = "tracestate"

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STATE = re.compile(r"[!-~](?:[ -~]{0,510}[!-~])?")
"""Section 3.3.1.5: at least 512 characters are passed on, and more than these are not."""


def trace_headers(extensions: Mapping[str, Attribute]) -> dict[str, str]:
    """The headers for an event with these extensions; none where it has no trace."""
    parent = extensions.get(PARENT)
    if not isinstance(parent, str) or not _PARENT.fullmatch(parent):
        return {}
    state = extensions.get(STATE)
    if isinstance(state, str) and _STATE.fullmatch(state):
        return {PARENT: parent, STATE: state}
    return {PARENT: parent}
