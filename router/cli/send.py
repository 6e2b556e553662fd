"""`router send`: hand files to a running router."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from router.cli.reaching import Place, fail, is_held, placed
from router.cli.telling import counted
from router.operations import address

TIMEOUT = 30.0
"""Seconds to wait for an answer."""

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

FELL_SHORT = 1
"""The exit status when something was not accepted."""


USUAL = "http://127.0.0.1:8080"
"""Where a router listens if nobody says otherwise."""


def web_address(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """An option's value that is an address, without a slash at its end."""
    if value is None:
        return None
    if not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"{value!r} is no address; write http://127.0.0.1:8080")
    return value.rstrip("/")


@click.command()
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--url",
    callback=web_address,
    help=f"Where the router listens. Default: the one that runs on the deployment, else {USUAL}.",
)
@click.option(
    "--to",
    "path",
    default="/events",
    show_default=True,
    callback=lambda _context, _parameter, value: "/" + value.lstrip("/"),
    help="The source's path, such as /tencent.",
)
@click.option(
    "--token",
    envvar="ROUTER_SEND_TOKEN",
    help="What the source knows its senders by; better in ROUTER_SEND_TOKEN, which ps does not show.",
)
@placed
def send(files: tuple[Path, ...], url: str | None, path: str, token: str | None, place: Place) -> None:
    """Send the events in FILES to a running router; `-` is standard input, and read where no file is named.

    For /events a file holds one CloudEvent, a list of them, or one on each line. For any other path its
    bytes are sent as they are, as that cloud would. How many were accepted and refused stands at the end, on
    standard error; what the router has already counts as accepted.
    """
    if not files and sys.stdin.isatty():
        raise click.UsageError("name a file, or give events on standard input")
    url = url or url_of(place)
    total = _Sum("event" if path == "/events" else "request")
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    unsent = 0
    for file in files or (Path("-"),):
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        try:
            requests = _events(content) if path == "/events" else _as_it_is(content)
        except NothingToSendError as error:
            click.echo(f"{file}: {error}", err=True)
            unsent += 1
            continue
        if not _send(file, requests, url + path, headers, total):
            unsent += 1
            break
    total.tell()
    if unsent or total.refused:
        sys.exit(FELL_SHORT)


@dataclass(slots=True)
class _Sum:
    """What came of all that was sent.

    Attributes:
        thing: what is counted.
    """

    thing: str
    accepted: int = 0
    refused: int = 0

    def tell(self) -> None:
        """Say it, where it is more than one line tells."""
        if self.accepted + self.refused > 1:
            click.echo(f"{counted(self.accepted, self.thing)} accepted, {self.refused:,} refused", err=True)


def _send(
    file: Path, requests: Sequence[_Request], url: str, headers: Mapping[str, str], total: _Sum
) -> bool:
    """Send a file's requests; whether there is somebody who answers."""
    for line, body, content_type, count in requests:
        try:
            said = _post(url, body, {"Content-Type": content_type, **headers})
        except NobodyAnswersError as error:
            click.echo(f"{file}{line}: {error}; what follows was not sent", err=True)
            return False
        click.echo(f"{file}{line}: {said or 'accepted'}", err=said is not None)
        if said is None:
            total.accepted += count
        else:
            total.refused += count
    return True


def url_of(place: Place, option: str = "--url") -> str:
    """Where the router of a place listens, as it says itself; the usual address where no place is meant.

    Args:
        place: whose router.
        option: what a command takes an address by.
    """
    found = address.read(place.folder)
    if found is not None and is_held(place.folder):
        return found.url
    if place.paths or place.data is not None or Path("router.yml").exists():
        fail(f"no router runs on {place.folder}; start it, or say {option}")
    return USUAL


class NothingToSendError(Exception):
    """This file holds no event."""


class NobodyAnswersError(Exception):
    """Whether this was taken is not known, and of others it would be the same."""


_Request = tuple[str, bytes, str, int]
"""The line it stands on, where there are several; body; content type; how many events."""


def _as_it_is(content: bytes) -> list[_Request]:
    kind = "application/xml" if content.lstrip().startswith(b"<") else "application/json"
    return [("", content, kind, 1)]


def _events(content: bytes) -> list[_Request]:
    if not content.strip():
        raise NothingToSendError("there is nothing in it")
    try:
        one = json.loads(content)
    except ValueError:
        lines = [
            (f":{at}", line, STRUCTURED, 1) for at, line in enumerate(content.splitlines(), 1) if line.strip()
        ]
        if not lines[0][1].lstrip().startswith(b"{"):
            raise NothingToSendError(
                "this is no JSON; a cloud's own request goes to that cloud's path: --to /tencent"
            ) from None
        return lines
    return [("", content, BATCH, len(one)) if isinstance(one, list) else ("", content, STRUCTURED, 1)]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows none: what a redirect leads to is not the router."""

    def redirect_request(self, *_: Any) -> None:
        """Leave the answer as it is."""


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Redirects)


def _post(url: str, body: bytes, headers: dict[str, str]) -> str | None:
    """Why the router refuses it; None if it took it.

    Raises:
        NobodyAnswersError: there is no router, or it gave no answer.
    """
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 -- vetted above
    try:
        with _OPENER.open(request, timeout=TIMEOUT):
            return None
    except urllib.error.HTTPError as error:
        return f"refused with {error.code}: {error.read().decode(errors='replace')}"
    except (OSError, ValueError) as error:
        raise NobodyAnswersError(f"no router answers at {url}: {getattr(error, 'reason', error)}") from error
