"""The first design that comes to mind: `python -m benchmarks.traffic.naive SOCKET TARGET DATABASE`.

Each event is inserted and committed through aiosqlite, then a task of its own posts it with httpx and marks
it done. It is durable, and has neither retries nor recovery; its speed is the floor.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

import aiosqlite
import httpx
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.traffic.bare import serve


class Naive:
    """The application."""

    def __init__(self, database: aiosqlite.Connection, client: httpx.AsyncClient, target: str) -> None:
        self._database = database
        self._client = client
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, request: Request) -> Response:
        """Answer one request."""
        event = await request.json()
        text = json.dumps(event)
        cursor = await self._database.execute("INSERT INTO events (event) VALUES (?)", (text,))
        await self._database.commit()
        if _matches(event):
            task = asyncio.create_task(self._deliver(cursor.lastrowid, event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return Response(status_code=202)

    async def _deliver(self, row: int | None, event: Any) -> None:
        response = await self._client.post(self._target, json=event)
        response.raise_for_status()
        await self._database.execute("UPDATE events SET done = 1 WHERE number = ?", (row,))
        await self._database.commit()


def _matches(event: Any) -> bool:
    return bool(event["type"].startswith("imm:Task:") and event["data"]["Suggestion"] == "block")


async def main(listening: socket.socket, target: str, path: str) -> None:
    """Serve until SIGTERM."""
    async with aiosqlite.connect(path) as database, httpx.AsyncClient(timeout=60) as client:
        await database.execute("PRAGMA journal_mode = WAL")
        await database.execute("PRAGMA synchronous = FULL")
        await database.execute("CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT, done INTEGER)")
        naive = Naive(database, client, target)
        await serve(Starlette(routes=[Route("/events", naive.take, methods=["POST"])]), listening)


if __name__ == "__main__":
    uvloop.run(main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], sys.argv[3]))
