"""Many patterns at once: which of them match an event.

Of an event, `recording` reads the fields that some pattern reads. What their values find at the root of the
`tree` of all patterns is looked up (`lookup`) while they are being decoded (`scan`), and what they find
together is mostly known (`found`). From there the tree leads to the branches of patterns whose tests all
pass; many that ask the same fields for one value each need no tree (`keyed`). Fields of objects in one array
have to match in the same element: where an event has several such objects, the branches that were found are
asked whether they do. Most events tell all at the first reading, and go the shortest way (`matcher`). Of a
CloudEvent (`envelope`), that asks all tests at once (`together`): attributes mostly pass those of some rule.

An index gives the answers of `Pattern.matches`, whatever patterns stand beside each other in it. What it
remembers of earlier events (`memo`, `found`) is bounded, and saves time only. Some of this is compiled (see
`router.compiled`).
"""

from router.compiled import place

__path__.insert(0, str(place(__name__)))  # searched before the sources

from router.patterns.index.index import Index  # noqa: E402 -- the path says where its modules come from

__all__ = ["Index"]
