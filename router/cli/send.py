"""`router send`: hand files to a running router."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import click

TIMEOUT = 30.0
"""Seconds to wait for an answer."""

FELL_SHORT = 1
"""The exit status when something was not accepted."""


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="Where the router listens.")
@click.option(
    "--to", "path", default="/events", show_default=True, help="The source's path, such as /tencent."
)
def send(files: tuple[Path, ...], url: str, path: str) -> None:
    """Send the events in FILES to a running router; `-` is standard input.

    For /events a file holds one CloudEvent, a list of them, or one on each line. For any other path its
    bytes are sent as they are, as that cloud would.
    """
    failed = 0
    for file in files:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        for place, body, content_type in _requests(content, cloudevents=path == "/events"):
            said = _post(url.rstrip("/") + path, body, content_type)
            click.echo(f"{file}{place}: {said or 'accepted'}", err=said is not None)
            failed += said is not None
    if failed:
        sys.exit(FELL_SHORT)


def _requests(content: bytes, *, cloudevents: bool) -> Iterator[tuple[str, bytes, str]]:
    """The requests a file makes: the line it stands on, where there are several; body; content type."""
    if not cloudevents:
        kind = "application/xml" if content.lstrip().startswith(b"<") else "application/json"
        yield "", content, kind
        return
    try:
        one = json.loads(content)
    except ValueError:
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                yield f":{number}", line, "application/cloudevents+json"
        return
    suffix = "-batch+json" if isinstance(one, list) else "+json"
    yield "", content, f"application/cloudevents{suffix}"


def _post(url: str, body: bytes, content_type: str) -> str | None:
    """What went wrong; None if the router took it."""
    request = urllib.request.Request(url, body, {"Content-Type": content_type}, method="POST")  # noqa: S310 - the user's own address
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        return f"refused with {error.code}: {error.read().decode(errors='replace')}"
    except OSError as error:
        return f"no router answers at {url}: {getattr(error, 'reason', error)}"
