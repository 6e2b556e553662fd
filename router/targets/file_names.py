"""How the files of one target are called, and which come after which."""

from __future__ import annotations

import glob
import math
import re
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from router.audit.streams import SUFFIXES

WORD: Final = re.compile(r"\{([^{}]*)\}")
"""A word of a path that is filled in."""

WORDS: Final = {"date": r"\d{4}-\d\d-\d\d", "hour": r"\d\d"}
"""The words there are, and what they are filled in with. As texts they sort by time."""

BESIDE: Final = ".checkpoints"
"""What the name of a file's checkpoints has behind that of the file."""

PART: Final = ".part"
"""What a file that is being packed is called behind its name: a crash leaves it, and nobody reads it."""

_PACKED: Final = "|".join(map(re.escape, SUFFIXES.values()))

When = tuple[str, ...]
"""The date and the hour in a file's name, as far as they are there."""


_FINISHED: Final = re.compile(
    rf"(?P<stem>.*?)(?:\.\d{{6,}}(?P<suffix>\.(?!(?:gz|zst)\Z)[^.]*)?)?(?:{_PACKED})?\Z", re.DOTALL
)


def beside(file: Path) -> Path:
    """Where the checkpoints of a file are, whatever it was renamed to when it was finished.

    >>> beside(Path("audit/2026-11-22.000001.jsonl.gz")).name
    '2026-11-22.jsonl.checkpoints'
    """
    found = _FINISHED.match(file.name)
    assert found is not None
    return file.with_name(f"{found['stem']}{found['suffix'] or ''}{BESIDE}")


def lies_beside(name: str) -> bool:
    """Whether a file of this name only lies beside one of records: checkpoints, a torn line, a half.

    >>> lies_beside("audit.jsonl.torn-1"), lies_beside("audit.jsonl.gz")
    (True, False)
    """
    return re.search(rf"(?:{re.escape(BESIDE)}|\.torn-[0-9]+|{re.escape(PART)})\Z", name) is not None


class Piece(NamedTuple):
    """One of a target's files; they sort by time.

    Attributes:
        when: what its name was made from.
        number: which one of its name it is; infinity for the one that bears the name itself, the last.
        path: below the data folder.
    """

    when: When
    number: float
    path: PurePosixPath

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed."""
        return self.path.suffix in SUFFIXES.values()


class Names:
    """The names that a path template makes.

    Args:
        template: `audit/{date}.jsonl`; a finished file is called `audit/2026-11-22.000001.jsonl`, with
            `.gz` or `.zst` behind it once it is packed.
    """

    def __init__(self, template: str) -> None:
        self._path = PurePosixPath(template)
        self._words = [word for word in WORDS if f"{{{word}}}" in template]
        parent = "" if "/" not in template else f"{self._path.parent}/"
        stem, suffix = _pattern(parent + self._path.stem), _pattern(self._path.suffix)
        first = _named(stem + r"(?:\.(?P<number>\d{6,}))?" + suffix)
        self._piece = re.compile(rf"{first}(?:{_PACKED})?\Z")
        self._beside = re.compile(_named(_pattern(template)) + re.escape(BESIDE) + r"\Z")

    def when(self, now: float) -> When:
        """What the name of the file of this moment (seconds since the epoch) is made from."""
        moment = datetime.fromtimestamp(now, UTC)
        held = {"date": moment.date().isoformat(), "hour": f"{moment.hour:02}"}
        return tuple(held[word] for word in self._words)

    def path(self, when: When) -> PurePosixPath:
        """The file that is written."""
        held = dict(zip(self._words, when, strict=True))
        return PurePosixPath(WORD.sub(lambda found: held[found[1]], str(self._path)))

    def finished(self, when: When, number: int) -> PurePosixPath:
        """What it is called once it is finished."""
        path = self.path(when)
        return path.with_name(f"{path.stem}.{number:06}{path.suffix}")

    def pieces(self, folder: Path) -> list[Piece]:
        """The files that are there, oldest first. One that is there twice, for a crash, is not packed yet."""
        found: dict[tuple[When, float], Piece] = {}
        for path, match in self._found(folder, self._piece):
            number = float(match["number"]) if match["number"] else math.inf
            piece = Piece(self._when_of(match), number, path)
            held = found.get(piece[:2])
            if held is None or held.is_packed:
                found[piece[:2]] = piece
        return sorted(found.values())

    def beside(self, folder: Path) -> list[tuple[When, PurePosixPath]]:
        """The files of checkpoints that are there, oldest first."""
        return sorted((self._when_of(match), path) for path, match in self._found(folder, self._beside))

    def _found(self, folder: Path, pattern: re.Pattern[str]) -> list[tuple[PurePosixPath, re.Match[str]]]:
        found = []
        parts = WORD.split(str(self._path.parent))
        parents = "".join("*" if index % 2 else glob.escape(part) for index, part in enumerate(parts))
        for path in folder.glob(f"{parents}/*"):
            below = path.relative_to(folder).as_posix()
            if (match := pattern.match(below)) is not None and path.is_file():
                found.append((PurePosixPath(below), match))
        return found

    def _when_of(self, match: re.Match[str]) -> When:
        return tuple(match[word] for word in self._words)


def _pattern(template: str) -> str:
    """A template's text as a pattern; its words stay as they are."""
    parts = WORD.split(template)
    return "".join(f"{{{part}}}" if index % 2 else re.escape(part) for index, part in enumerate(parts))


def _named(pattern: str) -> str:
    """The same with groups for the words: the first of each is free, the others repeat it."""
    for word, held in WORDS.items():
        pattern = pattern.replace(f"{{{word}}}", f"(?P<{word}>{held})", 1)
        pattern = pattern.replace(f"{{{word}}}", f"(?P={word})")
    return pattern
