"""The least that a server in Python can do: `python -m benchmarks.traffic.bare SOCKET [TARGET]`.

With a target: a queue in memory, and 64 workers that post each body there. It reads no event, asks no rule,
keeps nothing on disk, and loses everything that is in its queue when it ends. Without: it only answers.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import AsyncExitStack

import uvicorn
from pyreqwest.client import Client, ClientBuilder
from starlette.types import ASGIApp, Receive, Scope, Send

WORKERS = 64

_HEADERS = {"content-type": "application/cloudevents+json"}
_START = {"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]}
_END = {"type": "http.response.body", "body": b""}


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


async def answer(_scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application: reads the body and answers."""
    await _body(receive)
    await send(_START)
    await send(_END)


def forward(queue: asyncio.Queue[bytes]) -> ASGIApp:
    """An ASGI application: queues the body and answers."""

    async def application(_scope: Scope, receive: Receive, send: Send) -> None:
        queue.put_nowait(await _body(receive))
        await send(_START)
        await send(_END)

    return application


async def _work(queue: asyncio.Queue[bytes], client: Client, target: str) -> None:
    while True:
        body = await queue.get()
        response = await client.post(target).headers(_HEADERS).body_bytes(body).build().send()
        if response.status >= 300:  # noqa: PLR2004 -- a class of status codes
            raise RuntimeError(f"{target} answered {response.status}")


async def serve(application: ASGIApp, listening: socket.socket) -> None:
    """Serve as the router does: uvicorn on uvloop and httptools, and nothing that costs time unasked."""
    config = uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=60,  # the load waits for what is not delivered yet
    )
    await uvicorn.Server(config).serve([listening])


async def main(listening: socket.socket, target: str | None) -> None:
    """Serve until SIGTERM."""
    if target is None:
        await serve(answer, listening)
        return
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ClientBuilder().no_proxy().build())
        workers = [asyncio.create_task(_work(queue, client, target)) for _ in range(WORKERS)]
        await serve(forward(queue), listening)
        for worker in workers:
            worker.cancel()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2] if len(sys.argv) > 2 else None))  # noqa: PLR2004
