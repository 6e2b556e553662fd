"""`router audit`: the key, whether a chained file is what it was, and what is in files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from router.audit import keys
from router.audit.checkpoints import Checkpoint, looked_at
from router.audit.show import About, Entry, Query, find
from router.audit.streams import DamagedError, lines
from router.audit.verify import Fault, Place, Verdict, in_order, unchained, verify
from router.cli.telling import counted
from router.cli.times import TIME, local
from router.errors import ConfigurationError
from router.targets.file_names import beside, lies_beside
from router.telemetry.characters import harmless, one_line

FAULTY = 1
"""The exit status when the records are not what they were."""

SHOWN = 5
"""How many files are named in one sentence."""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def audit() -> None:
    """Look at, and vouch for, what `file` targets have written."""


@audit.command(short_help="Make a key that signs checkpoints.")
@click.argument("file", type=click.Path(path_type=Path))
def key(file: Path) -> None:
    """Write a new private key to FILE, and print the public one, for those who verify."""
    click.echo(keys.make(file), nl=False)


@audit.command(name="verify", short_help="Say whether chained files are what they were.")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@click.option(
    "--checkpoint", "held", multiple=True, type=FILE, metavar="FILE",
    help="A file with checkpoints that were kept elsewhere: whatever a target has made of them."
    " Those beside the files count as well.",
)  # fmt: skip
@click.option(
    "--public-key", "public", multiple=True, type=FILE, metavar="FILE",
    help="The key that must have signed them (PEM); several where it was changed.",
)  # fmt: skip
@click.option("--chain", "name", help="The target whose checkpoints count, where there are those of several.")
@click.option(
    "--from", "first", type=click.IntRange(min=1), default=1, metavar="N",
    help="The first record that is due: those before were removed on purpose, or are elsewhere.",
)  # fmt: skip
def verify_(
    files: tuple[Path, ...], held: tuple[Path, ...], public: tuple[Path, ...], name: str | None, first: int
) -> None:
    """Read all FILEs of one chain, packed or not, in any order. Works offline.

    Names the first record that was changed, removed, inserted, moved or cut off; the exit status is 1 then.
    Checkpoints beside the files count, too; but whoever can write there can cut both: --checkpoint names
    those that were kept elsewhere. What lies beside the files under their names (checkpoints, torn lines) may
    be among FILEs; files of targets without a chain may not, and are named, with exit status 2, unless
    records of the chain are missing.
    """
    files = _records_in(files)
    known = [path.resolve() for path in held]
    places = [*held, *(path for path in _beside(files) if path.resolve() not in known)]
    given = [keys.public(path) for path in public]
    seen = [_sift(place, given, name) for place in places]
    checkpoints = _of_one_chain([one for sifted in seen for one in sifted.proof], name)
    bad = [line for sifted in seen for line in sifted.bad]
    elsewhere = {one for sifted in seen[: len(held)] for one in sifted.proof} & {*checkpoints}
    lacking = [place for place, one in zip(places, seen, strict=True) if not one.proof]
    if held and not elsewhere:  # those beside the files say nothing of what was kept elsewhere
        lacking = [*held]
    if any(place in held for place in lacking) or (public and not checkpoints):
        where = ", ".join(str(place) for place in lacking if place in held or not held)
        of = "" if name is None else f" of {name}"
        bad.append(f"NO PROOF: no checkpoint{of} that counts is in {where or 'any file beside these'}")
        bad += ["in other text than the router's own lines, they count with --public-key alone"] * (
            not public
        )
    for line in (*bad, *(line for sifted in seen for line in sifted.ignored)):
        click.echo(line)
    if bad:
        sys.exit(FAULTY)
    found = _verdict(files, checkpoints, first)
    for line in _told(found, checkpoints, elsewhere, is_signed=bool(public)):
        click.echo(line)
    if found.fault is not None:
        sys.exit(FAULTY)


def _verdict(files: Sequence[Path], checkpoints: Sequence[Checkpoint], first: int) -> Verdict:
    """What is found in these files.

    Raises:
        ConfigurationError: some are none of the chain's, and no record is missing; a router has moved one.
    """
    foreign = _foreign(files)
    chained = [path for path in files if path not in foreign]
    if not chained and not checkpoints:
        raise _not_of_chain(foreign, chained)
    before = _places(chained)
    try:
        found = verify(chained, checkpoints, first=first, progress=_progress(in_order(chained)))
    except FileNotFoundError as error:
        raise _moved(Path(error.filename)) from error
    if found.fault is not None and (moved := before.items() - _places(chained).items()):
        raise _moved(min(moved)[0])
    if not foreign:
        return found
    if found.fault is None:
        raise _not_of_chain(foreign, chained)
    why = f"no line of {_some(foreign)} is a record of a chain, and somebody may have put other text there"
    return replace(found, fault=replace(found.fault, what=f"{found.fault.what}; {why}"))


def _places(files: Iterable[Path]) -> dict[Path, int]:
    """Which file each name stands for now; names of none are left out."""
    return {path: path.stat().st_ino for path in files if path.exists()}


def _moved(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} was finished or packed by its router meanwhile; run it again, or name finished files alone"
    )


@audit.command(short_help="Find records.")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@click.option("--since", type=TIME, help="Written then or later: RFC 3339, or 2h for so long ago.")
@click.option("--until", type=TIME, help="Written before.")
@click.option("--type", "type_", help="The event's type; with * and ?.")
@click.option("--subject", help="The event's subject; with * and ?.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the lines as they are (on a terminal, made harmless)."
)
def show(
    files: tuple[Path, ...],
    *,
    since: datetime | None,
    until: datetime | None,
    type_: str | None,
    subject: str | None,
    as_json: bool,
) -> None:
    """Print the records of FILEs, packed or not, chained or not, that fit all that is asked for."""
    query = Query(since, until, type_, subject)
    for path in in_order(_records_in(files)):
        with path.open("rb") as file:
            try:
                for entry, line in find(lines(path.name, file), query):
                    click.echo(_line(line) if as_json else one_line(_entry(entry)), nl=not as_json)
            except DamagedError as error:
                raise ConfigurationError(f"{path} is damaged: {error}") from error


def _line(line: bytes) -> bytes:
    """The line as it is; on a terminal with what would steer it as JSON may spell it, too."""
    return harmless(line.decode(errors="replace")).encode() if sys.stdout.isatty() else line


def _entry(entry: Entry) -> str:
    number = "" if entry.n is None else f"{entry.n}  "
    event = entry.event
    about = "(a transform's)" if event == About() else f"{event.type}  {event.subject or '-'}  {event.id}"
    return f"{number}{local(entry.time)}  {about}  {entry.id}"


def _records_in(files: Iterable[Path]) -> tuple[Path, ...]:
    """Those that hold records.

    Raises:
        ConfigurationError: none does.
    """
    found = tuple(file for file in files if not lies_beside(file.name))
    if not found:
        raise ConfigurationError("none of these is a file of records: they only lie beside such")
    return found


def _foreign(files: Sequence[Path]) -> list[Path]:
    """Those that hold no record of a chain, and beside which nothing says that they ever did."""
    return [path for path in unchained(files) if not beside(path).exists()]


def _not_of_chain(foreign: Sequence[Path], chained: Sequence[Path]) -> ConfigurationError:
    """Files are no records of a chain. They are not left out: somebody may have put them in others' place."""
    what = f"no line of {_some(foreign)} is a record of a chain, as targets with `chain` write them"
    if not chained:
        return ConfigurationError(
            f"{what}; name files of such a target. If these were some, somebody has put other text in "
            "their place"
        )
    return ConfigurationError(
        f"{what}; name the files of one chain alone: {_some(in_order(chained))}. If one of the others "
        "belongs to that chain, somebody has put other text in its place"
    )


def _some(files: Sequence[Path]) -> str:
    more = f" and {counted(len(files) - SHOWN, 'file')} more" if len(files) > SHOWN else ""
    return ", ".join(map(str, files[:SHOWN])) + more


def _beside(files: Iterable[Path]) -> list[Path]:
    """Where the router has written the checkpoints of these files, as far as they are still there."""
    return [path for path in sorted({beside(file) for file in files}) if path.exists()]


class _Sifted(NamedTuple):
    """What is in a file of checkpoints: those that count, and what is told of the others.

    Attributes:
        bad: of those that stand where the router puts them.
        ignored: of those that anybody may have sent, or a crash has torn.
    """

    proof: list[Checkpoint]
    bad: list[str]
    ignored: list[str]


def _sift(path: Path, public: Sequence[Ed25519PublicKey], name: str | None) -> _Sifted:
    sifted = _Sifted([], [], [])
    with path.open("rb") as file:
        try:
            for line, checkpoint, is_own, is_torn in looked_at(lines(path.name, file)):
                place = _place(Place(path, line))
                if checkpoint is not None and (checkpoint.is_signed_by(public) if public else is_own):
                    sifted.proof.append(checkpoint)
                elif not is_own:
                    sifted.ignored.append(
                        f"ignored, for anybody may have sent it: a checkpoint's text ({place})"
                    )
                elif is_torn:
                    sifted.ignored.append(f"{place}: an unfinished line, as a crash leaves it: no checkpoint")
                elif checkpoint is None:
                    sifted.bad.append(f"UNREADABLE: what looks like a checkpoint ({place})")
                elif name in {None, checkpoint.chain}:
                    what = f"no key that was given has signed the checkpoint at record {checkpoint.count:,}"
                    sifted.bad.append(f"FORGED: {what} ({place})")
        except DamagedError as error:
            raise ConfigurationError(f"{path} is damaged: {error}") from error
    return sifted


def _of_one_chain(checkpoints: list[Checkpoint], name: str | None) -> list[Checkpoint]:
    """The checkpoints of the chain that is meant.

    Raises:
        ConfigurationError: nobody said which.
    """
    names = sorted({checkpoint.chain for checkpoint in checkpoints})
    if name is None and len(names) > 1:
        raise ConfigurationError(f"these are checkpoints of {', '.join(names)}: choose with --chain")
    if name is not None and names and name not in names:
        raise ConfigurationError(f"there is no checkpoint of {name}; there are those of {', '.join(names)}")
    return [one for one in dict.fromkeys(checkpoints) if name in {None, one.chain}]


def _progress(files: Iterable[Path]) -> Callable[[int, int], None]:
    """Tells how far it is, in one line of a terminal; nothing elsewhere."""
    whole = sum(path.stat().st_size for path in files) or 1

    def tell(read: int, records: int) -> None:
        click.echo(f"\r{read * 100 // whole:3} %  {records:,} records", nl=read >= whole, err=True)

    return tell if sys.stderr.isatty() else lambda _read, _records: None


def _told(
    found: Verdict, checkpoints: list[Checkpoint], elsewhere: Collection[Checkpoint], *, is_signed: bool
) -> Iterator[str]:
    if found.fault is not None:
        yield f"NOT WHAT IT WAS: {_fault(found.fault)}"
        yield f"{_span(found.first, found.last)} before it agree with one another"
    else:
        yield f"{_span(found.first, found.last)}: each remembers the one before"
    for torn in found.torn:
        yield f"{_place(torn)}: an unfinished line, as a crash leaves it: no record, and no tampering"
    yield from _cover(found, sorted(one.count for one in checkpoints if one in elsewhere))
    if found.unasked:
        yield f"not asked, for they are about earlier records: {counted(found.unasked, 'checkpoint')}"
    if not checkpoints:
        yield "without checkpoints this finds accidents, not forgers: every hash can be made anew"
        return
    if not is_signed:
        yield "nobody looked at who signed the checkpoints: give --public-key"
    if not elsewhere:
        yield "the checkpoints are those beside the files: both can be cut back together; give --checkpoint"


def _cover(found: Verdict, elsewhere: Sequence[int]) -> Iterator[str]:
    """How far checkpoints agree; `elsewhere`: at which records there are those that nobody here can cut."""
    kept = [count for count in elsewhere if found.first <= count <= found.covered]
    if kept:
        yield f"covered by checkpoints: up to record {kept[-1]:,} ({len(kept)} agree)"
    if found.covered and (not kept or kept[-1] < found.covered):
        whose = "those beside the files alone" if elsewhere else "checkpoints"
        yield f"covered by {whose}: up to record {found.covered:,} ({found.agreed - len(kept)} agree)"
    if found.last > max(found.covered, found.first - 1):
        yield f"not covered yet: {_span(max(found.covered + 1, found.first), found.last)}"


def _fault(fault: Fault) -> str:
    where = "at the end" if fault.place is None else _place(fault.place)
    which = f"record {fault.first:,}"
    if fault.last > fault.first:
        which = f"records {fault.first:,} to {fault.last:,}"
        if fault.what.startswith(("rewritten", "cut")):
            which = f"one or more of {which}"
    return f"{which}: {fault.what} ({where})"


def _place(place: Place) -> str:
    return f"{place.file}, line {place.line:,}"


def _span(first: int, last: int) -> str:
    if last < first:
        return "no records"
    return f"record {first:,}" if first == last else f"records {first:,} to {last:,}"
