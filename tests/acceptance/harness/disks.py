"""Disks that are full, fail or may not be written."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from tests.acceptance.harness.parts import needed
from tests.acceptance.harness.stage import FREE, Stage
from tests.acceptance.harness.witness import Manner
from tests.disk import fill, make_space, mounted

REFUSALS = 50
"""So many events are turned away before the disk is mended."""

STILL = 200
"""So many deliveries of what is stored are made meanwhile, if so many wait and need no order: with one, none
goes before the one before it is written down. At some point the router ends that: what it cannot write down
as delivered it would repeat after a crash."""


class Trouble(Protocol):
    """Something that can be wrong with a disk."""

    def begin(self) -> None:
        """From now on it is."""
        ...

    def end(self) -> None:
        """From now on it is not."""
        ...


class FullDisk:
    """A disk of its own without a byte free."""

    def __init__(self, stage: Stage) -> None:
        self._disk = _own_disk(stage)

    def begin(self) -> None:
        """See `Trouble`."""
        fill(self._disk)

    def end(self) -> None:
        """See `Trouble`."""
        make_space(self._disk)


class FailingCalls:
    """libfiu between the router and the C library, told through its named pipes what is to fail."""

    def __init__(self, stage: Stage) -> None:
        libraries = needed("/usr/lib/fiu/fiu_run_preload.so", "/usr/lib/fiu/fiu_posix_preload.so")
        self._stage = stage
        self._pipe = stage.data.parent / "fiu"
        stage.environ = {"LD_PRELOAD": " ".join(libraries), "FIU_CTRL_FIFO": str(self._pipe)}

    def begin(self) -> None:
        """See `Trouble`."""
        fault = self._stage.fault
        for call in fault.calls:
            self._say(f"enable name={call},failinfo={fault.errno}")

    def end(self) -> None:
        """See `Trouble`."""
        for call in self._stage.fault.calls:
            self._say(f"disable name={call}")

    def _say(self, command: str) -> None:
        """One command, and its answer: 0."""
        name = f"{self._pipe}-{self._stage.router.pid}"
        # Opened for reading as well, so that no end waits for the other one.
        told, heard = (os.open(f"{name}.{end}", os.O_RDWR | os.O_NONBLOCK) for end in ("in", "out"))
        try:
            os.write(told, f"{command}\n".encode())
            assert select.select([heard], [], [], 30.0)[0], f"libfiu did not answer {command!r}"
            assert os.read(heard, 100).strip() == b"0", command
        finally:
            os.close(told)
            os.close(heard)


def spoil(stage: Stage, _: random.Random) -> None:
    """Senders are turned away, what is stored goes out, and it recovers by itself; or is killed meanwhile."""
    oracle, events = stage.oracle, stage.fault.events.of(stage.form)
    trouble: Trouble = FailingCalls(stage) if stage.fault.errno else FullDisk(stage)
    stage.start()
    for number in stage.rounds():
        stage.load.allow(10 * events)
        oracle.wait_until_promised(oracle.promised + events // 2)
        trouble.begin()
        stored = oracle.missing(FREE)
        oracle.wait_until_refused(oracle.refused + REFUSALS)
        stage.load.stop()
        _check_complaint(stage)
        if stage.fault.when.endswith("killed"):
            stage.kill()
            stage.mourn()
            trouble.end()
            stage.start()
        else:
            oracle.wait_until_arrived(FREE, most=max(0, stored - STILL))
            trouble.end()
        if number == 0 and stage.fault.when == "full":
            stage.wait_until_ready()
        stage.load.allow(10 * events)
        oracle.wait_until_promised(oracle.promised + events // 2)
        stage.load.stop()
        stage.wait_until_ready()  # outcomes that could not be written are tried again after a second


def start_read_only(stage: Stage, _: random.Random) -> None:
    """A router that cannot write says so and ends; with the disk mended it goes on where it was."""
    disk = _own_disk(stage)
    stage.start()
    stage.misbehave([Manner(status=503)])
    stage.send_all()
    stage.kill()
    stage.mourn()
    _remount(disk, "ro")
    command = [sys.executable, "-m", "router", "serve", str(stage.deployment), "--data", str(stage.data)]
    ended = subprocess.run([*command, "--port", "0"], capture_output=True, text=True, timeout=60, check=False)
    _remount(disk, "rw")
    if ended.returncode != 2 or stage.fault.says not in ended.stderr.lower():
        stage.oracle.complain("read-only", f"status {ended.returncode}, {ended.stderr!r}")
    stage.recover()
    stage.start()


def _own_disk(stage: Stage) -> Path:
    disk = stage.enter(mounted(stage.data.parent / "disk", stage.fault.disk))
    stage.data = disk / "data"
    return disk


def _remount(disk: Path, mode: str) -> None:
    as_root = [] if os.geteuid() == 0 else [str(shutil.which("sudo")), "-n"]
    subprocess.run([*as_root, "mount", "-o", f"remount,{mode}", str(disk)], check=True)


def _check_complaint(stage: Stage) -> None:
    reply = stage.ready()
    reasons = json.loads(reply.body).get("reasons", ())
    if reply.status != 503 or not any(stage.fault.says in reason for reason in reasons):
        stage.oracle.complain("readyz", str(reply))
