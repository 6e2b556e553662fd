"""The shortest way through an event, for those of which the first reading tells all: by far the most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from router.patterns.index.recording import REFUSALS, check
from router.patterns.index.scan import Scan
from router.patterns.index.text import Text


def matcher(
    text: Text, ask: Callable[[Any], list[str]], unwrap: Callable[[Scan, Any], bytes | None] | None = None
) -> Callable[[Any], list[str]]:
    """A function that gives the names of the patterns which match an event.

    All it needs is in local variables: looking it up anew would take a tenth of the time.

    Args:
        text: how the events are read.
        ask: gives the names for all other events, and while another thread is here.
        unwrap: scans what an event holds besides JSON text, and gives that (None: there is none), raising one
            of `REFUSALS` if it cannot; None if events are JSON text.
    """
    scan = text.first.take()
    decode, found, outcome, forget = scan.decode, scan.found, scan.outcome, scan.forget
    look_up, waiting, objects, keyed = scan.look_up, scan.waiting, scan.objects, bool(scan.keyed)
    start = found[0]
    busy = False

    def match(event: Any) -> list[str]:
        nonlocal busy
        if busy or not text.briefly:
            return ask(event)
        busy = True  # the interpreter lets no other thread in since it was asked
        hits = None
        try:
            payload = unwrap(scan, event) if unwrap else event
            if payload is not None:
                if not payload.isascii():
                    check(payload)
                decode(payload)
            if waiting:
                look_up()
            hits = outcome() if keyed or objects else found[0]
        except REFUSALS:
            pass  # the complete reading tells why
        finally:
            if keyed or objects or hits is None:
                forget()
            found[0] = start
            busy = False
        if hits is start:
            return []
        if hits is not None:
            names = hits.names or hits.settle()
            if not hits.nodes:
                return names.copy()
        text.learn(enough=False)
        return ask(event)

    return match
