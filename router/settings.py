"""`router.yml`: who may send, and where the router listens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import Field

from router.config.environment import interpolate
from router.config.files import Entry, entries
from router.config.model import Shape
from router.config.problems import Severity, did_you_mean
from router.config.report import Report
from router.config.shapes import validate
from router.config.units import Duration, Size, Whole
from router.config.yaml import Document
from router.errors import ConfigurationError
from router.plugins import KindError, unusable
from router.sources.base import Source
from router.sources.registry import USUAL
from router.sources.settings import SourceSettings


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


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A source as the configuration has it.

    Attributes:
        settings: an instance of its kind's shape.
        paths: where it listens: the one it was given, or its kind's own.
        verifies: whether it asks who sends.
    """

    name: str
    kind: str
    settings: SourceSettings
    paths: tuple[str, ...]
    verifies: bool


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

    @property
    def public(self) -> str | None:
        """Why others than this machine's users reach this router; None where they do not."""
        if not is_loopback(self.host):
            return f"it listens on {self.host}"
        found = next((one for one in self.sources if one.settings.public_url is not None), None)
        return None if found is None else f"the source {found.name!r} has a public_url"

    @property
    def unverified(self) -> list[str]:
        """The names of the sources that take events from everybody."""
        return [one.name for one in self.sources if not one.verifies]


Kinds = Mapping[str, type[Source]]
"""The kinds of source that exist, by the word that `router.yml` uses."""


class ExposedError(ConfigurationError):
    """The router would listen to strangers without asking who they are."""


def refuse_strangers(settings: Settings) -> None:
    """Refuse to run where others than this machine's users could send, and nobody asks who they are.

    Raises:
        ExposedError: so it is.
    """
    if settings.public is not None and settings.unverified:
        raise ExposedError(
            f"refused to listen: {settings.public}, and anybody could send to "
            f"{', '.join(map(repr, settings.unverified))}; give each source keys or tokens "
            "(router/sources/README.md), listen on 127.0.0.1 without a public_url, or say --insecure"
        )


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
    kinds: Kinds,
    environ: Mapping[str, str],
    report: Report,
) -> Settings:
    """Read `sources:` and `settings:` of all files.

    Args:
        documents: the deployment's files.
        kinds: the kinds of source that exist. Where no file has `sources:`, the usual ones are there, each
            under its own name.
        environ: the environment that `${NAME}` refers to.
        report: where problems go; with errors the settings are only what could be read.
    """
    if any("sources" in document.value for document in documents):
        sources = _sources(documents, kinds, environ, report)
    else:
        usual = [(kind, kinds[kind]) for kind in USUAL if kind in kinds]
        sources = tuple(_spec(kind, source.shape(kind=kind), source) for kind, source in usual)
    server = _server(documents, environ, report)
    settings = Settings(
        sources=sources,
        host=server.listen.host,
        port=server.listen.port,
        body=server.body,
        archive=server.archive,
        dedupe=server.dedupe,
        quota=server.quota,
    )
    _warn_of_strangers(settings, documents, report)
    return settings


def _sources(
    documents: Sequence[Document],
    kinds: Kinds,
    environ: Mapping[str, str],
    report: Report,
) -> tuple[SourceSpec, ...]:
    found: list[SourceSpec] = []
    taken: dict[str, str] = {}
    places: dict[str, Entry] = {}
    for entry in _once(documents, "sources", report):
        if (spec := _source(entry, kinds, environ, report)) is None:
            continue
        for path in spec.paths:
            if path in taken:
                what = f"the sources {taken[path]!r} and {entry.name!r} both listen on {path}"
                hint = "give one of them a path of its own"
                report.add(entry.document, entry.path, "path", what, hint, key=True)
                break
        taken |= dict.fromkeys(spec.paths, entry.name)
        places[entry.name] = entry
        found.append(spec)
    companions = [
        made
        for spec in found
        if (made := _companion(spec, found, taken, kinds, places[spec.name], report)) is not None
    ]
    return (*found, *companions)


def _source(entry: Entry, kinds: Kinds, environ: Mapping[str, str], report: Report) -> SourceSpec | None:
    """One entry; None where it is broken, or its kind is."""
    value = interpolate(entry.document, entry.path, entry.value, environ, report)
    source = _kind(entry, value, kinds, report)
    if source is None:
        return None
    try:
        read = validate(source.shape, value, entry.document, entry.path, report)
        if read is None:
            return None
        spec, doubt = _spec(entry.name, read, source), read.doubt
    except Exception as error:  # noqa: BLE001 (a kind may be anybody's)
        told = unusable("source", value["kind"], error)
        report.add(entry.document, (*entry.path, "kind"), "kind", told.message, told.hint)
        return None
    if doubt is not None:
        what, _, hint = doubt.partition("; ")
        report.add(entry.document, entry.path, "doubt", what, hint, severity=Severity.WARNING, key=True)
    return spec


def _companion(
    spec: SourceSpec,
    found: Sequence[SourceSpec],
    taken: dict[str, str],
    kinds: Kinds,
    entry: Entry,
    report: Report,
) -> SourceSpec | None:
    """What the same sender speaks at other paths, where no entry is about that."""
    try:
        if (named := spec.settings.also) is None:
            return None
        kind, given = named
        made = _made(spec, kind, given, kinds)
    except Exception as error:  # noqa: BLE001 (a kind may be anybody's)
        told = error if isinstance(error, KindError) else unusable("source", spec.kind, error)
        report.add(entry.document, (*entry.path, "kind"), "kind", told.message, told.hint)
        return None
    name = made.name
    rival = next((one.name for one in found if one.kind == kind or one.name == name), None)
    if rival is not None:
        what = f"sources.{spec.name}.keys let nobody in: the source {rival!r} is there"
        hint = f"write them there, as kind: {kind}"
        report.add(entry.document, (*entry.path, "keys"), "doubt", what, hint, severity=Severity.WARNING)
        return None
    if clash := [path for path in made.paths if path in taken]:
        what = f"sources.{spec.name}.keys are for SDKs, which call {clash[0]}; there is {taken[clash[0]]!r}"
        hint = f"give that one another path, or list a source of kind: {kind} with a path of its own"
        report.add(entry.document, (*entry.path, "keys"), "path", what, hint)
        return None
    taken |= dict.fromkeys(made.paths, name)
    return made


def _made(spec: SourceSpec, kind: str, given: Mapping[str, Any], kinds: Kinds) -> SourceSpec:
    """A companion, of its own kind.

    Raises:
        KindError: that kind is not there, or cannot be used.
    """
    if kind not in kinds:
        what = f"the kind of source {spec.kind!r} wants the kind {kind!r} beside it, which is not installed"
        raise KindError(what, f"install the package that has {kind!r}, or mend the one of {spec.kind!r}")
    return _spec(f"{spec.name}-{kind}", kinds[kind].shape.model_construct(kind=kind, **given), kinds[kind])


def _kind(entry: Entry, value: Any, kinds: Kinds, report: Report) -> type[Source] | None:
    """What kind of source an entry asks for; its other keys are that kind's business."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        validate(SourceSettings, value, entry.document, entry.path, report)
        return None
    try:
        return kinds[value["kind"]]
    except KindError as error:
        report.add(entry.document, (*entry.path, "kind"), "kind", error.message, error.hint)
    except KeyError:
        hint = did_you_mean(value["kind"], kinds) or f"the kinds here are {', '.join(kinds)}"
        what = f"there is no kind of source called {value['kind']!r}"
        report.add(entry.document, (*entry.path, "kind"), "kind", what, hint)
    return None


def _spec(name: str, settings: SourceSettings, source: type[Source]) -> SourceSpec:
    made = source(settings)
    paths = (settings.path,) if settings.path else tuple(made.paths)
    return SourceSpec(name, settings.kind, settings, paths, made.verifies)


def _warn_of_strangers(settings: Settings, documents: Sequence[Document], report: Report) -> None:
    """Warn of what `serve` will refuse: others reach it, and a source asks nobody who they are."""
    if settings.public is None or not settings.unverified:
        return
    sections = [*entries(documents, "sources"), *entries(documents, "settings")]
    written = {entry.name: entry for entry in sections}
    entry = written.get(settings.unverified[0]) or written.get("listen") or next(iter(written.values()))
    who = ", ".join(map(repr, settings.unverified))
    what = f"`serve` will refuse to run: {settings.public}, and anybody could send to {who}"
    hint = "give each source keys or tokens (router/sources/README.md), or start it with --insecure"
    report.add(entry.document, entry.path, "exposed", what, hint, severity=Severity.WARNING, key=True)


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
