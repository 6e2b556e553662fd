"""The one thread that writes: it takes whatever has gathered and commits it as one group.

While a commit waits for the disk, the next group gathers; so a slow disk makes groups larger, not the queue
longer. Each group of work is one transaction on one database: all of it is on disk, or nothing is.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from router.store.advice import told
from router.store.base import StoreError
from router.store.ledger import Beginning, Ledger

IDLE = 1.0
"""Seconds without work after which the ledger may rest."""

Statement = tuple[str, Sequence[Sequence[Any]]]
"""A statement and the rows it runs with."""


class Job:
    """Statements to commit together, what they begin with, and who waits for them."""

    __slots__ = ("beginning", "committed", "future", "statements")

    def __init__(
        self,
        statements: Iterable[Statement],
        future: asyncio.Future[None],
        committed: Callable[[], None] | None,
        beginning: Beginning | None,
    ) -> None:
        self.beginning = beginning
        self.statements = statements
        self.future = future
        self.committed = committed


class GroupWriter:
    """Commits groups of jobs to a ledger, in the order of their submission.

    `committed` of a job runs on the event loop after its commit, before its future resolves.
    """

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._jobs: list[Job] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def submit(
        self,
        statements: Iterable[Statement],
        committed: Callable[[], None] | None = None,
        beginning: Beginning | None = None,
    ) -> None:
        """Wait until the statements are on disk.

        Cancelling the wait does not take them back: they are on their way.

        Raises:
            StoreError: the group could not be committed; nothing of it is stored.
        """
        job = Job(statements, self._loop.create_future(), committed, beginning)
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

    def _commit(self, jobs: list[Job]) -> str | None:
        connection = None
        try:
            connection = self._ledger.turn_to(jobs[0].beginning)
            if connection.in_transaction:  # an earlier group's could not even be taken back
                connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                for statement, rows in job.statements:
                    connection.executemany(statement, rows)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is: a dead thread would hang all who wait
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.rollback()
            return f"the store cannot write: {told(error)}"
        return None

    @staticmethod
    def _resolve(jobs: list[Job], problem: str | None) -> None:
        for job in jobs:
            if problem is None and job.committed is not None:
                job.committed()
            if job.future.done():
                continue  # whoever waited was cancelled
            if problem is None:
                job.future.set_result(None)
            else:
                job.future.set_exception(StoreError(problem))
