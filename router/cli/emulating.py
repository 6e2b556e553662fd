"""What the commands of `router emulate` share: options, what is sent and where, and what is printed."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import anyio
import click
import msgspec

from router import samples
from router.cli.reaching import Place, placed
from router.cli.send import url_of, web_address
from router.cli.telling import counted
from router.clock import SystemClock
from router.config.units import seconds
from router.emulators.jobs.api import Submitted
from router.emulators.request import Cloud
from router.emulators.schedule import Then
from router.emulators.sending import Attempt, Surroundings, send_all
from router.samples import Sample
from router.signatures.base import Key
from router.targets.sender import Sender, open_sender

FELL_SHORT = 1
"""The exit status when something was lost."""

ENVIRONMENT = "ROUTER_EMULATE_"
"""How the environment variables begin that secrets are taken from: what is typed can be seen in `ps`."""


class Duration(click.ParamType[float]):
    """An option that is a duration."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType.convert`."""
        try:
            return value if isinstance(value, float) else seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all clouds are asked alike.

    Attributes:
        files: to send instead of the samples.
        to: where to; None for the router that runs on `place`.
        speed: how much faster than in the cloud pauses pass.
        timeout: seconds that an answer may take.
        repeat: how often everything is sent.
        fresh: whether events get new ids; None for samples and repetitions.
    """

    files: tuple[Path, ...]
    to: str | None
    speed: float
    timeout: float
    repeat: int
    fresh: bool | None
    as_json: bool
    place: Place

    def where(self) -> str:
        """The address of the router, or one for every event."""
        return self.to or url_of(self.place, "--to")

    @property
    def has_path(self) -> bool:
        """Whether the address has a path of its own, which everything goes to."""
        parts = urlsplit(self.to or "")
        return bool(parts.path.strip("/") or parts.query)

    def events(self, cloud: Cloud) -> Iterator[Sample]:
        """What to send."""
        files = [samples.sent(cloud.name, str(file), file.read_bytes()) for file in self.files]
        for number in range(self.repeat):
            for event in files or filter(self._goes_there, samples.load(cloud.name)):
                fresh = self.fresh if self.fresh is not None else bool(number or not files)
                yield replace(
                    event,
                    name=f"{event.name} #{number + 1}" if number else event.name,
                    path="" if self.has_path else event.path,
                    body=cloud.fresh(event.body) if fresh else event.body,
                )

    def _goes_there(self, sample: Sample) -> bool:
        """Whether the address is for a sample: Baidu pushes no storage events to one for results."""
        is_for_results = "result" in urlsplit(self.to or "").query.split("&")
        return not (is_for_results and sample.path.endswith("?event"))

    def around(self, sender: Sender, teller: Teller) -> Surroundings:
        """With the machine's clock, and chance."""
        return Surroundings(
            sender=sender,
            clock=SystemClock(),
            random=Random(),  # noqa: S311 -- when it tries again is no secret
            tell=teller.attempt,
            speed=self.speed,
            timeout=self.timeout,
        )


def wanted(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all clouds share; it gets them as `wanted`."""

    @click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option(
        "--to",
        callback=web_address,
        help="URL of the router, or a whole one that everything goes to. Default: the router that runs here.",
    )
    @click.option(
        "--speed",
        type=click.FloatRange(0.001, 1_000_000),
        default=1.0,
        show_default=True,
        help="Divides the pauses between tries.",
    )
    @click.option(
        "--timeout", type=Duration(), default="5s", show_default=True, help="How long an answer may take."
    )
    @click.option("--repeat", type=click.IntRange(1), default=1, help="Send everything so many times.")
    @click.option(
        "--new-ids/--same-ids",
        "fresh",
        default=None,
        help="Make each an event of its own, or leave the ids as they are. Default: new ones for samples and "
        "repetitions.",
    )
    @click.option("--json", "as_json", is_flag=True, help="One JSON object for each attempt.")
    @placed
    @wraps(command)
    def with_wanted(*args: Any, **options: Any) -> Any:
        given = {name: options.pop(name) for name in Wanted.__dataclass_fields__}
        return command(*args, wanted=Wanted(**given), **options)

    return with_wanted


def secret(name: str, told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that is better given in the environment."""
    variable = ENVIRONMENT + name.lstrip("-").replace("-", "_").upper()
    return click.option(name, envvar=variable, show_envvar=True, help=told)


def keyed(told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the two options that make a key; it gets them as `key`, None where neither is given."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @secret("--key-id", "Id of the access key.")
        @secret("--secret", told)
        @wraps(command)
        def with_key(*args: Any, key_id: str | None, secret: str | None, **options: Any) -> Any:
            if bool(key_id) != bool(secret):
                raise click.UsageError("a key is two things: give --key-id and --secret")
            key = Key(key_id, secret) if key_id and secret else None
            return command(*args, key=key, **options)

        return with_key

    return decorate


class Teller:
    """Prints what happens, one line each, and counts it.

    Attributes:
        begun: how many events were sent, or their turn had come.

    Args:
        as_json: for programs.
        gives_up: what is said where this cloud gives up.
    """

    def __init__(self, speed: float, gives_up: str, *, as_json: bool) -> None:
        self.counts: Counter[Then] = Counter()
        self.begun = 0
        self._speed = speed
        self._gives_up = gives_up
        self._as_json = as_json

    def counting(self, events: Iterable[Sample]) -> Iterator[Sample]:
        """These events, each counted when it is taken."""
        for event in events:
            self.begun += 1
            yield event

    def attempt(self, attempt: Attempt) -> None:
        """Of an attempt."""
        self.counts[attempt.then] += 1
        if self._as_json:
            self._json(attempt)
            return
        answer = str(attempt.status) if attempt.status is not None else "no answer"
        said = f" ({attempt.said})" if attempt.said else ""
        line = f"{attempt.event}  attempt {attempt.attempt}: {answer}{said}, {self._then(attempt)}"
        click.echo(f"{_clock(attempt)}  {line}")

    def submitted(self, submitted: Submitted) -> None:
        """Of an answer of the API for jobs."""
        if self._as_json:
            self._json(submitted)
        elif submitted.refused:
            click.echo(f"{_clock(submitted)}  refused with {submitted.refused}")
        else:
            what = f"job {submitted.job} on {submitted.object or 'nothing'} will end as {submitted.outcome}"
            where = f"calls {submitted.callback}" if submitted.callback else "calls nobody"
            click.echo(f"{_clock(submitted)}  {what}, and {where}")

    def close(self) -> None:
        """What it came to."""
        if not self._as_json:
            taken, lost = self.counts[Then.TAKEN], self.counts[Then.LOST]
            left = self.begun - taken - lost
            parts = [f"{taken:,} taken", f"{lost:,} lost", *([f"{left:,} neither yet"] if left else [])]
            tries = counted(self.counts.total(), "attempt") + (" with an outcome" if left else "")
            click.echo(f"{counted(self.begun, 'event')}: {', '.join(parts)}, {tries}")

    def _then(self, attempt: Attempt) -> str:
        if attempt.then is Then.LOST:
            return f"LOST: {self._gives_up}"
        if attempt.then is Then.TAKEN:
            return "taken"
        here = f" ({attempt.pause / self._speed:.3g} s here)" if self._speed != 1 else ""
        return f"again in {attempt.pause:.1f} s{here}"

    def _json(self, told: Attempt | Submitted) -> None:
        click.echo(msgspec.json.encode(told).decode())


def _clock(told: Attempt | Submitted) -> str:
    return told.time.astimezone().isoformat(sep=" ", timespec="milliseconds")


def run(cloud: Cloud, wanted: Wanted, gives_up: str) -> None:
    """Send everything; the exit status says whether it was taken."""
    teller = Teller(wanted.speed, gives_up, as_json=wanted.as_json)
    where = wanted.where()

    async def sending() -> int:
        async with open_sender(f"rule-router-emulator/{cloud.name}") as sender:
            events = teller.counting(wanted.events(cloud))
            return await send_all(cloud, where, events, wanted.around(sender, teller))

    short: object = "stopped before everything was taken or lost"
    try:
        short = anyio.run(sending, backend_options={"use_uvloop": True})
    except* BrokenPipeError:  # whoever read has had enough; a broken pipe has nobody to complain to, either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FELL_SHORT)
    except* KeyboardInterrupt:
        click.echo(short, err=True)
    teller.close()
    if short:
        sys.exit(FELL_SHORT)
