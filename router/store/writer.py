"""The one thread that writes: it takes whatever has gathered and commits it as one group.

While a commit waits for the disk, the next group gathers; so a slow disk makes groups larger, not the queue
longer. Each group of work is on disk whole, or nothing of it is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from router.store.advice import told
from router.store.base import StoreError
from router.store.ledger import Ledger

IDLE = 1.0
"""Seconds without work after which the ledger may rest."""

W = TypeVar("W")


class Job(Generic[W]):
    """Work to commit together, and who waits for it."""

    __slots__ = ("committed", "future", "work")

    def __init__(self, work: W, future: asyncio.Future[None], committed: Callable[[], None] | None) -> None:
        self.work = work
        self.future = future
        self.committed = committed


class GroupWriter(Generic[W]):
    """Commits groups of jobs to a ledger, in the order of their submission.

    `committed` of a job runs on the event loop after its commit, before its future resolves.
    """

    def __init__(self, ledger: Ledger[W], name: str) -> None:
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._jobs: list[Job[W]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def submit(self, work: W, committed: Callable[[], None] | None = None) -> None:
        """Wait until the work is on disk.

        Cancelling the wait does not take it back: it is on its way.

        Raises:
            StoreError: the group could not be committed; nothing of it is stored.
        """
        job = Job(work, self._loop.create_future(), committed)
        with self._changed:
            if self._closing:
                raise StoreError("the store is closed")
            self._jobs.append(job)
            self._changed.notify()
        await job.future

    def close(self) -> None:
        """Commit what was submitted, then end the thread. Blocks; its loop must run meanwhile or be done."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._ledger.close()

    def _run(self) -> None:
        rested = True
        while True:
            with self._changed:
                while not self._jobs and not self._closing and self._changed.wait(None if rested else IDLE):
                    pass
                jobs, self._jobs = self._jobs, []
                ended = self._closing and not jobs
            if ended:
                return
            if jobs:
                problem = self._commit(jobs)
                self._loop.call_soon_threadsafe(self._resolve, jobs, problem)
            else:
                self._ledger.rest()
            rested = not jobs

    def _commit(self, jobs: list[Job[W]]) -> str | None:
        try:
            self._ledger.commit([job.work for job in jobs])
        except Exception as error:  # noqa: BLE001 - whatever it is: a dead thread would hang all who wait
            return f"the store cannot be written: {told(error)}"
        return None

    @staticmethod
    def _resolve(jobs: list[Job[W]], problem: str | None) -> None:
        for job in jobs:
            if problem is None and job.committed is not None:
                job.committed()
            if job.future.done():
                continue  # whoever waited was cancelled
            if problem is None:
                job.future.set_result(None)
            else:
                job.future.set_exception(StoreError(problem))
