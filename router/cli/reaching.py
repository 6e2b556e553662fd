"""How a command comes to a desk: the running router's, or one of its own over the store of a stopped one."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import anyio
import click

from router.cli.deployment import home_of, load
from router.cli.remote import Remote
from router.errors import ConfigurationError, RouterError
from router.offline import offline
from router.operations import address
from router.operations.base import Operations
from router.store.lock import FolderInUseError, FolderLock
from router.telemetry import log

WRONG = 2
"""The exit status when a command could not do its work."""

PATIENCE = 5.0
"""Seconds that a router which has the folder may take to say where its API is: it may just be starting."""

_PAUSE = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose store a command is about.

    Attributes:
        paths: the deployment's.
        data: its data folder, if that was named.
    """

    paths: tuple[Path, ...]
    data: Path | None

    @property
    def folder(self) -> Path:
        """The data folder."""
        return (self.data or home_of((*self.paths, Path())[0]) / "data").resolve()


def placed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which store it is about; it gets them as `place`."""

    @click.option(
        "-d",
        "--deployment",
        "paths",
        multiple=True,
        type=click.Path(path_type=Path),
        help="The deployment's folder or file. Default: this folder.",
    )
    @click.option(
        "--data", type=click.Path(path_type=Path), help="Folder of the store. Default: data/ there."
    )
    @wraps(command)
    def with_place(*args: Any, paths: tuple[Path, ...], data: Path | None, **options: Any) -> Any:
        return command(*args, place=Place(paths, data), **options)

    return with_place


def is_held(folder: Path) -> bool:
    """Whether a router has the store in a folder open."""
    if not (folder / "lock").exists():
        return False
    try:
        FolderLock(folder).release()
    except FolderInUseError:
        return True
    return False


def names_files(place: Place) -> bool:
    """Whether the deployment's files are known: a data folder alone may be anybody's."""
    return bool(place.paths) or place.data is None


def is_loadable(place: Place) -> bool:
    """Whether it can be known here which rules and targets there are."""
    if not names_files(place):
        return False
    try:
        load(place.paths)
    except ConfigurationError:
        return False
    return True


def ask(place: Place, work: Callable[[Operations], Awaitable[T]], *, rules: bool = False) -> T:
    """Do a command's work at the desk of a place; what goes wrong ends the command.

    Args:
        place: whose desk.
        work: the work.
        rules: whether it needs today's rules and targets; a running router has them.
    """
    log.configure("warning", sys.stderr)

    async def at_desk() -> T | RouterError:
        async with reached(place, rules=rules) as operations:
            try:
                return await work(operations)
            except RouterError as error:
                return error

    try:
        done = anyio.run(at_desk, backend_options={"use_uvloop": True})
    except ConfigurationError:
        raise
    except RouterError as error:
        fail(error.message)
    if isinstance(done, RouterError):
        fail(done.message)
    return done


def fail(why: str) -> NoReturn:
    """End the command, and say why."""
    click.echo(f"error: {why}", err=True)
    sys.exit(WRONG)


def unasked(question: str, say: str) -> NoReturn:
    """End a command that would ask first, where nobody can be asked. Nothing is wrong, and nothing was done.

    Args:
        question: what it would do.
        say: which options answer it.
    """
    click.echo(f"{question}\nnothing was done: nobody can be asked here; say {say}", err=True)
    sys.exit(WRONG)


@asynccontextmanager
async def reached(place: Place, *, rules: bool = False) -> AsyncIterator[Operations]:
    """The desk of a place.

    Raises:
        ConfigurationError: there is no store; it cannot be opened; the rules are broken; a router has it, and
            does not say where its API is.
    """
    deadline = anyio.current_time() + PATIENCE
    read = (lambda: load(place.paths).deployment) if rules else None
    async with AsyncExitStack() as stack:
        while True:
            try:
                desk: Operations = await stack.enter_async_context(offline(place.folder, read))
                break
            except FolderInUseError as held:
                found = address.read(place.folder)
                if found is not None and found.pid == held.holder:
                    desk = Remote(found)
                    break
                if anyio.current_time() > deadline:
                    raise SilentRouterError(
                        f"{place.folder} is in use by process {held.holder or 'unknown'}, and "
                        f"{address.FILE} there does not say how that one is asked; if it hangs, end it"
                    ) from held
                await anyio.sleep(_PAUSE)
        yield desk


class SilentRouterError(ConfigurationError):
    """A router has the folder, and does not say where its API is."""
