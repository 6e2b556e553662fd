"""What stands under `file:`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    WithJsonSchema,
    model_validator,
)

from router.audit import keys
from router.audit.streams import SUFFIXES, Packing
from router.config.secrets import Secret
from router.config.units import Duration, Size, seconds
from router.targets import jail
from router.targets.file_names import BESIDE, WORD, WORDS

_MADE = "{date} and {hour} are filled in, in UTC"


def _vetted_path(path: str) -> str:
    """A path that stays in the data folder, whatever the day."""
    parts = path.split("/")
    if parts[0].startswith("~"):
        raise ValueError("begins with ~, which is not expanded: paths are below the data folder")
    if path.startswith("/"):
        raise ValueError("is absolute; files stand in the data folder, name them from there")
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError("has an empty step, '.' or '..'; name the file from the data folder downwards")
    if any(ord(character) < ord(" ") or character == "\x7f" for character in path):
        raise ValueError("has a control character")
    _check_words(path)
    if path.endswith((*SUFFIXES.values(), BESIDE)):
        raise ValueError("ends as packed files and checkpoints do; choose another ending, and see compress")
    if jail.is_taken(parts[0]):
        raise ValueError(f"{parts[0]!r} in the data folder belongs to the store; choose another name")
    return path


def _check_words(path: str) -> None:
    words = WORD.findall(path)
    for word in words:
        if word not in WORDS:
            raise ValueError(f"has {{{word}}}; {_MADE}, and nothing that an event says")
    if any(brace in WORD.sub("", path) for brace in "{}"):
        raise ValueError("has a brace that does not belong to {date} or {hour}")
    if "hour" in words and "date" not in words:
        raise ValueError("has {hour} without {date}: the same hour of all days would share a file")


def _every(value: Any) -> Any:
    """Records as an int, or seconds as a float."""
    if isinstance(value, str) and not value.isdecimal():
        found: int | float = seconds(value)
    elif isinstance(value, int | str) and not isinstance(value, bool):
        found = int(value)
    else:
        raise ValueError("wants a number of records such as 1000, or a duration such as 1m")
    if found < 1:
        raise ValueError("must be at least one record, or one second")
    return found


_EVERY = WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]})

_SHAPE = Discriminator(lambda value: "signed" if isinstance(value, dict | Chain) else "plain")
"""Which of the two is meant: so that a fault is told once."""


def _vetted_key(key: SecretStr) -> SecretStr:
    keys.private(key.get_secret_value())
    return key


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rotate(_Settings):
    """When a file is finished, and the next one begun; the first of both that comes.

    Attributes:
        size: once it is so long, in bytes.
        every: at each whole multiple of so many seconds since 1970 (UTC): `1h` is each full hour.
    """

    size: Annotated[Size, Field(ge=1)] | None = None
    every: Annotated[Duration, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _says_when(self) -> Rotate:
        if self.size is None and self.every is None:
            raise ValueError("says not when: write size, every, or both")
        return self


class Chain(_Settings):
    """How checkpoints are made.

    Attributes:
        key: an ed25519 private key (PEM).
        checkpoints: the target that gets them, too; None leaves them beside the file alone.
        every: so many records (an int) or seconds (a float) after the last checkpoint there is another.
    """

    key: Annotated[Secret, AfterValidator(_vetted_key)]
    checkpoints: str | None = None
    every: Annotated[int | float, BeforeValidator(_every), _EVERY] = 60.0


class FileSettings(_Settings):
    """What stands under `file:`.

    Attributes:
        path: from the data folder; `{date}` and `{hour}` are those, in UTC, of the moment of writing.
        rotate: when a file is finished beside that; None for never.
        compress: what finished files are packed with; None for nothing.
        keep: seconds after its last line at which a finished file is removed, within an hour; None for never.
        chain: whether each record remembers the one before, and who signs for that.
    """

    path: Annotated[str, AfterValidator(_vetted_path)]
    rotate: Rotate | None = None
    compress: Packing | None = None
    keep: Annotated[Duration, Field(gt=0)] | None = None
    chain: Annotated[Annotated[bool, Tag("plain")] | Annotated[Chain, Tag("signed")], _SHAPE] = False

    @model_validator(mode="after")
    def _finishes(self) -> FileSettings:
        if self.rotate is None and "{date}" not in self.path:
            for name in ("compress", "keep"):
                if getattr(self, name) is not None:
                    what = f"{name} is about finished files, and none ever is: add rotate, or {{date}}"
                    raise ValueError(what)
        return self

    def claim(self) -> str:
        """See `router.targets.base.Exclusive`."""
        return f"file {self.path}"

    def tells(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """See `router.targets.base.Telling`."""
        if isinstance(self.chain, Chain) and self.chain.checkpoints is not None:
            yield ("chain", "checkpoints"), self.chain.checkpoints
