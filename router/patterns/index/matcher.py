"""The shortest way through an event, for those of which the first reading tells all: by far the most.

All that the functions here need is in local variables: looking it up anew would take a tenth of the time. For
the same reason there are two of them, and not one that asks every time what kind of event it has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from router.events import Event
from router.patterns.index.recording import REFUSALS, check
from router.patterns.index.scan import Scan
from router.patterns.index.text import Text

T = TypeVar("T")


def matcher(text: Text, ask: Callable[[bytes], list[str]]) -> Callable[[bytes], list[str]]:
    """A function that gives the names of the patterns which match an event as JSON text.

    Args:
        text: how the events are read; `Text.together` is None.
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
        hits = None
        try:
            if not event.isascii():
                check(event)
            decode(event)
            if waiting:
                look_up()
            hits = outcome() if keyed else found[0]
        except REFUSALS:
            pass  # another reading tells what it is
        finally:  # whatever else was raised, too
            if keyed or hits is None:
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


def event_matcher(
    text: Text,
    ask: Callable[[Event], list[str]],
    unwrap: Callable[[Scan, Event], bytes],
    conclude: Callable[[list[str]], T],
) -> Callable[[Event], T]:
    """A function that gives what is concluded from the names of the patterns which match a CloudEvent.

    What is concluded is remembered where it was found: to look it up by the names would take as long as to
    find them, where ten thousand rules are more than the processor's caches hold.

    Args:
        text: how the payloads are read.
        ask: as for `matcher`.
        unwrap: as `Envelope.unwrap`.
        conclude: gives something else than None for names, which it leaves as they are.
    """
    scan = text.first.take()
    decode, found, outcome, forget = scan.decode, scan.found, scan.outcome, scan.forget
    look_up, waiting, objects, keyed = scan.look_up, scan.waiting, scan.objects, bool(scan.keyed)
    start = found[0]
    busy = False

    def match(event: Event) -> T:
        nonlocal busy
        if busy or not text.briefly:
            return conclude(ask(event))
        busy = True  # as above
        hits = None
        try:
            payload = unwrap(scan, event)
            if not payload.isascii():
                check(payload)
            decode(payload)
            if waiting:
                look_up()
            hits = outcome() if keyed or objects else found[0]
        except REFUSALS:
            pass  # as above
        finally:
            if keyed or objects or hits is None:
                forget()
            found[0] = start
            busy = False
        if hits is not None:
            concluded: T | None = hits.concluded
            if concluded is not None:
                return concluded
            names = hits.settle()
            if not hits.nodes:
                hits.concluded = concluded = conclude(names)
                return concluded
        text.learn(enough=False)
        return conclude(ask(event))

    return match
