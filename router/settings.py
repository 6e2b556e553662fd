"""`router.yml`: who may send, and where the router listens."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from router.config.environment import interpolate
from router.config.files import Entry, entries
from router.config.problems import Severity, did_you_mean
from router.config.report import Report
from router.config.shapes import Shape, validate
from router.config.units import Duration, Size, Whole
from router.config.yaml import Document


class Listen(Shape):
    """Where the server listens.

    Attributes:
        host: an address or a name; loopback unless somebody says otherwise.
    """

    host: str = "127.0.0.1"
    port: Annotated[Whole, Field(ge=0, le=65535)] = 8080


class Archive(Shape):
    """How long accepted events are kept, also those that no rule matched.

    What is not delivered yet, or dead, is kept however old it is, and however much it is.

    Attributes:
        within: `for`: seconds.
        most: bytes.
    """

    within: Annotated[Duration, Field(alias="for", ge=0)] = 7 * 86_400.0
    most: Annotated[Size, Field(ge=0)] = 10_000_000_000


class ServerSettings(Shape):
    """`settings:`.

    Attributes:
        body: the longest request body that is read, in bytes.
        dedupe: how long a sender's second try is recognised, in seconds; 0 for never.
        quota: what the store may take on the disk, in bytes. Beyond it senders are turned away.
    """

    listen: Listen = Listen()
    body: Annotated[Size, Field(gt=0)] = 1_000_000
    archive: Archive = Archive()
    dedupe: Annotated[Duration, Field(ge=0)] = 600.0
    quota: Annotated[Size, Field(gt=0)] = 20_000_000_000


def _vetted_path(path: str) -> str:
    if not re.fullmatch(_PATH, path):
        raise ValueError("wants a path such as /alibaba: letters, digits and -._~@: between its slashes")
    return path


_PATH = r"/[A-Za-z0-9._~@:/-]*"

SourcePath = Annotated[
    str, AfterValidator(_vetted_path), WithJsonSchema({"type": "string", "pattern": f"^{_PATH}$"})
]


class SourceSettings(Shape):
    """One entry of `sources:`.

    Attributes:
        kind: whose dialect is spoken there.
        path: where, if not at the kind's own paths.
    """

    kind: str
    path: SourcePath | None = None


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A source as the configuration has it.

    Attributes:
        paths: where it listens: the one it was given, or its kind's own.
    """

    name: str
    kind: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server needs to know.

    Attributes:
        body, archive, dedupe, quota: as in `ServerSettings`.
    """

    sources: tuple[SourceSpec, ...]
    host: str = "127.0.0.1"
    port: int = 8080
    body: int = 1_000_000
    archive: Archive = field(default_factory=Archive)
    dedupe: float = 600.0
    quota: int = 20_000_000_000


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def read_settings(
    documents: Sequence[Document],
    kinds: Mapping[str, Sequence[str]],
    environ: Mapping[str, str],
    report: Report,
) -> Settings:
    """Read `sources:` and `settings:` of all files.

    Args:
        documents: the deployment's files.
        kinds: the kinds of source that exist, with their own paths. Where no file has `sources:`, each is
            there under its own name.
        environ: the environment that `${NAME}` refers to.
        report: where problems go; with errors the settings are only what could be read.
    """
    if any("sources" in document.value for document in documents):
        sources = _sources(documents, kinds, environ, report)
    else:
        sources = tuple(SourceSpec(kind, kind, tuple(paths)) for kind, paths in kinds.items())
    server = _server(documents, environ, report)
    return Settings(
        sources=sources,
        host=server.listen.host,
        port=server.listen.port,
        body=server.body,
        archive=server.archive,
        dedupe=server.dedupe,
        quota=server.quota,
    )


def _sources(
    documents: Sequence[Document],
    kinds: Mapping[str, Sequence[str]],
    environ: Mapping[str, str],
    report: Report,
) -> tuple[SourceSpec, ...]:
    found: list[SourceSpec] = []
    taken: dict[str, str] = {}
    for entry in _once(documents, "sources", report):
        value = interpolate(entry.document, entry.path, entry.value, environ, report)
        read = validate(SourceSettings, value, entry.document, entry.path, report)
        if read is None:
            continue
        if read.kind not in kinds:
            hint = did_you_mean(read.kind, kinds) or f"the kinds here are {', '.join(kinds)}"
            what = f"there is no kind of source called {read.kind!r}"
            report.add(entry.document, (*entry.path, "kind"), "kind", what, hint)
            continue
        paths = (read.path,) if read.path else tuple(kinds[read.kind])
        for path in paths:
            if path in taken:
                what = f"the sources {taken[path]!r} and {entry.name!r} both listen on {path}"
                hint = "give one of them a path of its own"
                report.add(entry.document, entry.path, "path", what, hint, key=True)
                break
        taken |= dict.fromkeys(paths, entry.name)
        found.append(SourceSpec(entry.name, read.kind, paths))
    return tuple(found)


def _server(documents: Sequence[Document], environ: Mapping[str, str], report: Report) -> ServerSettings:
    """One `settings:` may be spread over several files, but nothing may be said twice."""
    said: dict[str, Any] = {}
    found = _once(documents, "settings", report)
    for entry in found:
        value = interpolate(entry.document, entry.path, entry.value, environ, report)
        read = validate(ServerSettings, {entry.name: value}, entry.document, entry.path[:-1], report)
        if read is None:
            continue
        said[entry.name] = getattr(read, entry.name)
        if not is_loopback(read.listen.host):
            what = "settings.listen.host: `serve` will refuse to listen there: no source verifies who sends"
            hint = "listen on 127.0.0.1, or start it with --insecure"
            place = (*entry.path, "host")
            report.add(entry.document, place, "exposed", what, hint, severity=Severity.WARNING)
    server = ServerSettings.model_construct(**said)
    if server.quota <= server.archive.most:
        entry = next(entry for entry in found if entry.name in {"quota", "archive"})
        what = (
            f"the archive may grow to {server.archive.most:,} bytes, and the whole store to {server.quota:,}"
        )
        hint = "make `quota` greater than `archive: {most: …}`: it holds what is not delivered yet, too"
        report.add(entry.document, entry.path, "quota", what, hint)
    return server


def _once(documents: Sequence[Document], section: str, report: Report) -> list[Entry]:
    """A section's entries, each name once; repetitions are reported."""
    first: dict[str, Entry] = {}
    for entry in entries(documents, section):
        if entry.name in first:
            there = first[entry.name]
            line = there.document.place(there.path, key=True).line
            hint = f"the first one is in {there.document.file}:{line}"
            what = f"{section}.{entry.name} is written twice"
            report.add(entry.document, entry.path, "duplicate-key", what, hint, key=True)
        else:
            first[entry.name] = entry
    return list(first.values())
