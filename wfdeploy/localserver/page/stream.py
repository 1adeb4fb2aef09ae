"""Tells open pages that something changed: server-sent events.

A page is told that it should look again, and the few numbers of its header; never what changed. So a busy server costs
a page a few small messages a second, however many runs there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from wfdeploy.localserver import compact
from wfdeploy.localserver.api.services import Services

GAP_S = 0.25
"""Between two events, at least: what happens meanwhile is one change."""

HEARTBEAT_S = 15.0
"""Between two events, at most: so that both ends notice when the other is gone."""


class Stream:
    """The stream of each open page, until `close`."""

    def __init__(self, services: Services, tenant: str) -> None:
        self._services = services
        self._tenant = tenant
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every stream, so that no server waits for pages when it stops."""
        self._closing.set()
        self._services.changes.tell()

    def response(self) -> StreamingResponse:
        return StreamingResponse(self._events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _events(self) -> AsyncIterator[str]:
        changes = self._services.changes
        yield "retry: 1000\n\n"
        while not self._closing.is_set():
            seen = changes.count
            yield f"data: {compact.dumps(self._overview(seen))}\n\n"
            await _at_most(self._closing.wait(), GAP_S)
            await _at_most(changes.wait_beyond(seen), HEARTBEAT_S)

    def _overview(self, change: int) -> dict[str, object]:
        """Counts that an index alone answers."""
        connection = self._services.ledger.connection
        in_progress = connection.execute(
            "SELECT COUNT(*) FROM runs INDEXED BY run_in_progress WHERE tenant = ? AND state = 'RUN_STARTED'",
            (self._tenant,),
        ).fetchone()[0]
        letters = connection.execute("SELECT COUNT(*) FROM dlq WHERE tenant = ?", (self._tenant,)).fetchone()[0]
        return {
            "change": change,
            "now": self._services.clock.now_ms(),
            "serverId": self._services.ledger.server_id,
            "inProgress": in_progress,
            "deadLetters": letters,
        }


async def _at_most(waited: object, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await waited  # type: ignore[misc]
    except TimeoutError:
        pass
