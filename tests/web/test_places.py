"""Several sources on one path: who is meant stands in a header field or in the query."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from router.main import SOURCES
from tests.web.running import Running, head


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        yield stack.enter_context(Running(tmp_path))


PLACES = [(kind, path) for kind, source in SOURCES.items() for path in source().paths]
KEYED = [(kind, path) for kind, path in PLACES if path.startswith(("/?", "/!"))]


@pytest.mark.parametrize(("kind", "path"), KEYED)
def test_the_key_says_which_of_those_at_the_root_is_meant(kind: str, path: str, running: Running) -> None:
    name = path[2:]
    target, extra = (f"/?{name}", {}) if path[1] == "?" else ("/", {name: "Unheard.Of"})
    reply = running.ask(head(target=target, headers={**extra, "content-length": "1"}) + b"x")
    assert reply.status in {400, 403, 404}
    assert b"needs" not in reply.body, f"{kind} has not got it"


def test_without_a_key_nobody_is_meant(running: Running) -> None:
    reply = running.ask(head(target="/", headers={"content-length": "1"}) + b"x")
    assert reply.status == 404
    assert reply.error.startswith("a POST to / needs ")
    assert all(path[2:] in reply.error for _, path in KEYED if path[0] == "/")


@pytest.mark.parametrize("path", ["/alibaba", "/baidu", "/tencent"])
def test_clouds_that_never_ask_first_are_told_what_is_taken(path: str, running: Running) -> None:
    reply = running.ask(head(method="OPTIONS", target=path))
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/events"])
def test_a_query_beyond_any_senders_is_not_taken_apart(path: str, running: Running) -> None:
    reply = running.ask(head(target=f"{path}?{'a&' * 5_000}", headers={"content-length": "1"}) + b"x")
    assert reply.status == 414
    assert reply.error == "a query of 10000 bytes; at most 8192 are read"
