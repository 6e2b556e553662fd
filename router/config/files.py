"""Finds and reads the files of a deployment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from router.config.problems import Path, Problem, Severity, did_you_mean
from router.config.report import Report
from router.config.shapes import described
from router.config.yaml import Document, read

SECTIONS = {"sources": dict, "settings": dict, "rules": list, "targets": dict}
"""What a file may hold at its top, and as what."""

SUFFIXES = {".yml", ".yaml"}

PARTS = ("rules", "targets")
"""The folders of a deployment."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a section: a rule, a target, a source or a setting, as it was written.

    Attributes:
        name: its key; "" for a rule, which has its name inside.
        path: where it stands in its document.
    """

    document: Document
    path: Path
    name: str
    value: Any


def read_files(paths: Sequence[FilePath], report: Report) -> tuple[Document, ...]:
    """Read every file of a deployment, in order; problems go to `report`.

    Args:
        paths: folders (`router.yml`, `rules/**/*.yml`, `targets/**/*.yml`) and single files.
        report: where problems go.
    """
    documents = []
    for file in files_of(paths, report):
        try:
            content = file.read_bytes()
        except OSError as error:
            _missing(report, file, f"cannot be read: {error.strerror}")
            report.lose(*SECTIONS)
            continue
        if not content.strip():
            # Half of what writes files empties them first: rules that are gone for a moment lose events.
            hint = "so is a file that is just being written; where nothing is meant, remove it, or say `{}`"
            _missing(report, file, "is empty", hint)
            report.lose(*SECTIONS)
            continue
        if (document := read_document(content, str(file), report)) is not None:
            documents.append(document)
    return tuple(documents)


def lacks_targets(paths: Sequence[FilePath]) -> bool:
    """Whether these are `rules/` alone, or files of it: targets stand beside it, and are not among them."""
    return bool(paths) and all("rules" in (path.resolve().name, path.resolve().parent.name) for path in paths)


def read_document(content: bytes, file: str, report: Report) -> Document | None:
    """Read one file of a deployment; None if it is empty or no such file at all.

    Args:
        content: YAML.
        file: the name under which problems report it.
        report: where problems go.
    """
    document, problems = read(content, file)
    report.extend(problems)
    if () in document.broken or (problems and document.value is None):
        report.lose(*SECTIONS)
    return document if _is_sound(document, report) else None


def entries(documents: Sequence[Document], section: str) -> Iterator[Entry]:
    """The entries of one section of all documents, in order."""
    for document in documents:
        held = (document.value or {}).get(section)
        if not isinstance(held, SECTIONS[section]):
            continue
        if isinstance(held, dict):
            for name, value in held.items():
                yield Entry(document, (section, name), name, value)
        else:
            for index, value in enumerate(held):
                yield Entry(document, (section, index), "", value)


def files_of(paths: Sequence[FilePath], report: Report) -> list[FilePath]:
    """The files of a deployment, each once, in order; arguments as in `read_files`."""
    found: dict[FilePath, FilePath] = {}
    for path in paths:
        if path.is_dir():
            files = [*_of_folder(path)]
            if not files:
                hint = "a deployment has router.yml, rules/*.yml or targets/*.yml"
                _missing(report, path, "no configuration in this folder", hint)
        elif path.exists():
            files = [path]
        else:
            _missing(report, path, "no such file or folder")
            report.lose(*SECTIONS)
            continue
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _of_folder(folder: FilePath) -> Iterator[FilePath]:
    """The files of a deployment folder, in the order of their paths; hidden ones are nobody's.

    `rules/` or `targets/` itself may be named too: then it is read as that part of a deployment.
    """
    if folder.resolve().name in PARTS:
        yield from _of_part(folder)
        return
    for suffix in sorted(SUFFIXES, reverse=True):
        if (file := folder / f"router{suffix}").is_file():
            yield file
    for part in PARTS:
        yield from _of_part(folder / part)


def _of_part(part: FilePath) -> Iterator[FilePath]:
    for file in sorted(part.rglob("*")):
        hidden = any(step.startswith(".") for step in file.relative_to(part).parts)
        if file.suffix in SUFFIXES and not hidden and not file.is_dir():
            yield file


def _missing(report: Report, path: FilePath, what: str, hint: str = "") -> None:
    report.extend([Problem(str(path), 0, 0, Severity.ERROR, "file", what, hint)])


def _is_sound(document: Document, report: Report) -> bool:
    """Whether the top of a document is a mapping of sections; sections of a wrong type are reported."""
    value = document.value
    if value is None:
        return False
    if not isinstance(value, dict):
        what = f"a file is a mapping with the keys {', '.join(SECTIONS)}; found {described(value)}"
        report.add(document, (), "wrong-type", what)
        report.lose(*SECTIONS)
        return False
    for name, held in value.items():
        wanted = SECTIONS.get(name)
        if (name,) in document.broken:
            report.lose(name)
        if wanted is None:
            near = did_you_mean(name, SECTIONS)
            hint = near or f"the keys here are {', '.join(SECTIONS)}"
            report.add(document, (name,), "unknown-key", f"unknown key {name!r}", hint, key=True)
            report.lose(*(section for section in SECTIONS if repr(section) in near))
        elif held is not None and not isinstance(held, wanted):
            what = f"{name}: wants {'a list' if wanted is list else 'a mapping'}, found {described(held)}"
            report.add(document, (name,), "wrong-type", what)
            report.lose(name)
    return True
