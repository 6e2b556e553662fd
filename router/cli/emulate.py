"""`router emulate`: behave as a cloud's sender, for work on one machine."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import anyio
import click

from router.cli.emulating import FELL_SHORT, Duration, Teller, Wanted, keyed, run, secret, wanted
from router.emulators.alibaba import CERTIFICATE_URL, Alibaba, Signer
from router.emulators.alibaba import private_key as key_in
from router.emulators.baidu import Baidu
from router.emulators.jobs.api import PATH, Terms, serving
from router.emulators.jobs.submission import Queue
from router.emulators.jobs.told import Outcome
from router.emulators.schedule import BACKOFF, EXPONENTIAL, Then
from router.emulators.tencent import Tencent
from router.errors import ConfigurationError
from router.signatures.base import Key
from router.signatures.eventbridge import Version
from router.targets.sender import open_sender
from router.web.server import listen, url_of

_CALLED_ONCE = "Tencent CI is not known to call back again"


@click.group()
def emulate() -> None:
    """Send a cloud's requests to a router as that cloud does, and react to its answers as that cloud does.

    Prints each attempt. Exit status 0 if everything was taken in the end, 1 if something was lost.
    """


@emulate.command(short_help="EventBridge with IMM's events: three further tries, or a day of them.")
@wanted
@click.option(
    "--retry",
    type=click.Choice(["backoff", "decay"]),
    default="backoff",
    show_default=True,
    help="The rule's retry policy: 3 further tries after 10 to 20 s each, or 176 within a day.",
)
@click.option(
    "--private-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="RSA key (PEM) to sign with; without one nothing is signed.",
)
@click.option(
    "--signature",
    type=click.Choice(["v1", "v2"]),
    default="v2",
    show_default=True,
    help="The version to sign by.",
)
@click.option(
    "--certificate-url",
    default=CERTIFICATE_URL,
    help="Where to say that the certificate is.",
    show_default=True,
)
@click.option(
    "--public-url", help="The router's URL as it would be configured, where it goes to another one."
)
@secret("--token", "The target's token.")
def alibaba(
    wanted: Wanted,
    *,
    retry: str,
    private_key: Path | None,
    signature: Version,
    certificate_url: str,
    public_url: str | None,
    token: str | None,
) -> None:
    """Send FILES (default: the documents' samples of all IMM events) as Alibaba EventBridge pushes them."""
    signer = None
    if private_key is not None:
        try:
            key = key_in(private_key.read_bytes())
        except ConfigurationError as error:
            raise click.BadParameter(f"{private_key}: {error.message}", param_hint="--private-key") from None
        signer = Signer(key, certificate_url, signature, public_url)
    policy = BACKOFF if retry == "backoff" else EXPONENTIAL
    gives_up = f"EventBridge's further tries are over ({retry})"
    run(Alibaba(policy, signer, token), wanted, gives_up)


@emulate.command(short_help="Baidu BOS: anything but 200 is sent again, 429 after its Retry-After.")
@wanted
@keyed("Its secret; without a key nothing is signed.")
def baidu(wanted: Wanted, key: Key | None) -> None:
    """Send FILES (default: the documents' samples) as Baidu BOS pushes results.

    How often Baidu tries again is not documented: here 176 times, with pauses of 1, 2, 4 … 512 s.
    """
    run(Baidu(key), wanted, "176 further tries, or a day, are over")


@emulate.command(short_help="Tencent CI: calls back once. With --jobs, takes OCR jobs and calls back.")
@wanted
@secret("--token", "Goes into the callback's URL as ?token=.")
@click.option("--jobs", is_flag=True, help=f"Serve POST {PATH} until Ctrl-C, and call back when a job ends.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8090,
    show_default=True,
    help="Of --jobs; 0 takes a free one.",
)
@keyed("Its secret: jobs must be signed with it. Without a key any signature will do.")
@click.option(
    "--outcome",
    type=click.Choice([outcome.lower() for outcome in Outcome]),
    default=Outcome.SUCCESS.lower(),
    show_default=True,
    help="How jobs end whose object has no word success, failed or cancel in its name.",
)
@click.option("--takes", type=Duration(), default="1s", show_default=True, help="How long a job takes.")
@click.option("--anywhere", is_flag=True, help="Let jobs have callbacks go to other machines.")
def tencent(
    wanted: Wanted,
    *,
    token: str | None,
    jobs: bool,
    port: int,
    key: Key | None,
    outcome: str,
    takes: float,
    anywhere: bool,
) -> None:
    """Send FILES (default: the document's samples and some derived ones) as Tencent CI calls back: once.

    With --jobs, be the API that OCR jobs are submitted to. A job without CallBack calls the router that runs
    here, or --to.
    """
    if not jobs:
        run(Tencent(token), wanted, _CALLED_ONCE)
        return
    if wanted.files:
        raise click.UsageError("with --jobs nothing is sent but callbacks: name no files")
    teller = Teller(wanted.speed, _CALLED_ONCE, as_json=wanted.as_json)
    terms = Terms(
        keys=(key,) if key else (),
        queue=Queue(_usual_callback(wanted, token), anywhere=anywhere),
        outcome=Outcome(outcome.capitalize()),
        takes=takes,
        tell=teller.submitted,
    )
    anyio.run(_serve, terms, wanted, teller, port, backend_options={"use_uvloop": True})
    if teller.counts[Then.LOST]:
        sys.exit(FELL_SHORT)


def _usual_callback(wanted: Wanted, token: str | None) -> str:
    cloud = Tencent(token)
    where = wanted.where()
    return cloud.address(where if wanted.has_path else where + "/tencent")


async def _serve(terms: Terms, wanted: Wanted, teller: Teller, port: int) -> None:
    with (
        listen("127.0.0.1", port) as listening,
        anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
    ):
        async with (
            open_sender("rule-router-emulator/tencent") as sender,
            serving(terms, wanted.around(sender, teller), listening),
        ):
            signed = "signed with the key" if terms.keys else "whoever has signed them"
            click.echo(f"takes OCR jobs at {url_of(listening)}{PATH}, {signed}", err=True)
            await anext(aiter(signals))
