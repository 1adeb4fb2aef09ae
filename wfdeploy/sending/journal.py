"""Write the commits of many batches in flight as few transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from wfdeploy.model.edits import Edit
from wfdeploy.ports import StateWriter

AT_ONCE = 16
"""Commits that share a transaction, at most: staging blocks the loop, for about a millisecond a batch."""


class Journal:
    """Serialises commits to a store.

    Edits that arrive while a transaction is being synced share the next one: the more batches are in flight, the fewer
    syncs each costs, and `commit` still returns only when its edits are on disk. A thread waits for the sync, so the
    loop never waits for a disk. The edits themselves are staged on the loop: a thread that gives up the interpreter
    with each row would get it back only when the loop pauses.
    """

    def __init__(self, store: StateWriter) -> None:
        self._store = store
        self._queue: list[tuple[Sequence[Edit], bool, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def commit(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        """Return when the edits are durable. Raises: `StateUnusable`; then none of them was written.

        precedes_request: see `StateWriter.stage`.
        """
        if not edits:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((edits, precedes_request, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        # The caller may be cancelled; its edits are written all the same.
        await asyncio.shield(future)

    async def close(self) -> None:
        """Wait until all edits are written."""
        if self._writer is not None:
            await asyncio.shield(self._writer)

    async def _drain(self) -> None:
        try:
            while self._queue:
                group, self._queue = self._queue[:AT_ONCE], self._queue[AT_ONCE:]
                edits = [edit for part, _, _ in group for edit in part]
                precedes_request = any(precedes for _, precedes, _ in group)
                error: BaseException | None = None
                try:
                    self._store.stage(edits, precedes_request=precedes_request)
                    await asyncio.to_thread(self._store.finish)
                except BaseException as caught:  # passed to every caller: none may wait for ever
                    error = caught
                for _, _, future in group:
                    if future.done():
                        continue
                    if error is None:
                        future.set_result(None)
                    else:
                        future.set_exception(error)
                        future.exception()  # its caller may be gone; asyncio would complain about an unseen one
        finally:
            self._writer = None
