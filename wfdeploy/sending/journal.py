"""Commits from many batches in flight, written as few transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from wfdeploy.model.edits import Edit
from wfdeploy.ports import StateWriter

AT_ONCE = 16
"""Commits that share a transaction, at most: staging them holds up the loop, about a millisecond for each batch."""


class Journal:
    """Serialises commits to a store.

    Edits that arrive while a transaction is being synced wait for the next one and share it: the more batches are in
    flight, the fewer syncs each costs, and `commit` still returns only when its edits are on disk. The sync is waited
    for in a thread, so the loop never waits for a disk. The edits themselves are staged on the loop: a thread that
    hands the interpreter back with each row would get it again only when the loop pauses.
    """

    def __init__(self, store: StateWriter) -> None:
        self._store = store
        self._queue: list[tuple[Sequence[Edit], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def commit(self, edits: Sequence[Edit]) -> None:
        """Returns when the edits are durable. Raises: `StateUnusable`; then none of them was written."""
        if not edits:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((edits, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        # Whoever waits may be cancelled; what was handed in is written all the same.
        await asyncio.shield(future)

    async def close(self) -> None:
        """Wait for what was handed in."""
        if self._writer is not None:
            await asyncio.shield(self._writer)

    async def _drain(self) -> None:
        try:
            while self._queue:
                group, self._queue = self._queue[:AT_ONCE], self._queue[AT_ONCE:]
                edits = [edit for part, _ in group for edit in part]
                error: BaseException | None = None
                try:
                    self._store.stage(edits)
                    await asyncio.to_thread(self._store.finish)
                except BaseException as caught:  # handed to everybody who waits: none may wait for ever
                    error = caught
                for _, future in group:
                    if future.done():
                        continue
                    if error is None:
                        future.set_result(None)
                    else:
                        future.set_exception(error)
                        future.exception()  # whoever was to be told may be gone
        finally:
            self._writer = None
