"""`router demo`: the whole story on one machine."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from datetime import datetime
from functools import partial
from pathlib import Path

import anyio
import click
from rich.console import Console

from router.cli.demo.show import Show
from router.cli.demo.story import Story, tell
from router.errors import ConfigurationError
from router.telemetry import log

FELL_SHORT = 1
"""The exit status when something did not arrive."""


@click.command()
@click.option("--once", is_flag=True, help="End when everything has arrived; exit 0 only if it did.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one."
)
def demo(*, once: bool, port: int) -> None:
    """Send every cloud's samples through the shipped rules to a receiver that fails at first, and watch.

    Needs no network and no configuration. What it keeps goes to a new folder under data/.
    """
    console = Console(file=sys.stdout)
    story = Story()
    data = _new_folder()
    # The `log` target writes to standard output, which is the table's here.
    with (data / "console.log").open("w", encoding="utf-8") as lines, contextlib.redirect_stdout(lines):
        log.configure("warning", lines)
        telling = partial(tell, story, Show(console, story, data), data=data, port=port, once=once)
        try:
            anyio.run(telling, backend_options={"use_uvloop": True})
        except ConfigurationError:
            shutil.rmtree(data)
            raise
    if not story.complete:
        sys.exit(FELL_SHORT)


def _new_folder() -> Path:
    parent = Path("data")
    parent.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}-", dir=parent))
