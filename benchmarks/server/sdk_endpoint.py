"""The same workflow written with the official Python SDK on FastAPI, signatures verified:
`python -m benchmarks.server.sdk_endpoint SERVER_URL TOKEN`, with the SDK's variables in the environment.

It prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from qstash import AsyncQStash
from upstash_workflow.fastapi import Serve  # type: ignore[import-untyped]

STEPS = 5


async def _step() -> int:
    return 1


async def _workflow(context: Any) -> None:
    for number in range(STEPS):
        await context.run(f"step {number + 1}", _step)


async def serve() -> None:
    app = FastAPI()
    client = AsyncQStash(os.environ["QSTASH_TOKEN"], base_url=os.environ["QSTASH_URL"])
    Serve(app).post(f"/wf/{STEPS}", qstash_client=client)(_workflow)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    print(listening.getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = server.force_exit = True
    await task


if __name__ == "__main__":
    asyncio.run(serve())
