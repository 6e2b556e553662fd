"""The shortest way through an event, for those of which the first reading tells all: by far the most."""

from __future__ import annotations

from collections.abc import Callable

from router.patterns.index.recording import REFUSALS, check
from router.patterns.index.text import Text


def matcher(text: Text, ask: Callable[[bytes], list[str]]) -> Callable[[bytes], list[str]]:
    """A function that gives the names of the patterns which match an event.

    All it needs is in local variables: looking it up anew would take a tenth of the time.

    Args:
        text: how the events are read.
        ask: gives the names for all other events, and while another thread is here.
    """
    scan = text.first.take()
    decode, found, outcome, forget = scan.decode, scan.found, scan.outcome, scan.forget
    look_up, waiting, keyed = scan.look_up, scan.waiting, bool(scan.keyed)
    start = found[0]
    busy = False

    def match(event: bytes) -> list[str]:
        nonlocal busy
        if busy or not text.briefly:
            return ask(event)
        busy = True  # the interpreter lets no other thread in since it was asked
        try:
            if not event.isascii():
                check(event)
            decode(event)
            if waiting:
                look_up()
            hits = outcome() if keyed else found[0]
        except REFUSALS:
            hits = None
        if keyed or hits is None:
            forget()
        if hits is start:
            busy = False
            return []
        found[0] = start
        busy = False
        if hits is not None:
            names = hits.names or hits.settle()
            if not hits.nodes:
                return names.copy()
        text.learn(enough=False)
        return ask(event)

    return match
