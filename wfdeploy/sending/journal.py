"""Write the commits of many batches in flight as few transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from wfdeploy.model.edits import Edit
from wfdeploy.ports import StateWriter

AT_ONCE = 16
"""Commits that share a transaction, at most: staging blocks the loop, for about a millisecond a batch."""

GATHERED = 48
"""Commits that share an entry of a log, at most."""


_MOST_BYTES = 32 * 1024 * 1024
"""Of the requests in a transaction; a single commit may have more."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    edits: Sequence[Edit]
    precedes_request: bool
    size: int
    done: asyncio.Future[None]


class Journal:
    """Serialises commits to a store.

    Edits that arrive while a transaction is being synced share the next one: the more batches are in flight, the fewer
    syncs each costs, and `commit` still returns only when its edits are on disk. A thread waits for the sync, so the
    loop never waits for a disk. The edits themselves are staged on the loop: a thread that gives up the interpreter
    with each row would get it back only when the loop pauses.
    """

    def __init__(self, store: StateWriter, *, gathers: bool = False) -> None:
        """`gathers`: whether transactions are dear, as in a shared log: each is a round trip, and every few dozen need
        a snapshot."""
        self._store = store
        self._gathers = gathers
        self._at_once = GATHERED if gathers else AT_ONCE
        self._queue: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._more_is_coming = self._is_urgent = False
        self._may_write = asyncio.Event()

    @property
    def ahead(self) -> int:
        """How many batches may wait here beside those that would be under way anyway: one transaction's, and the next
        one's, unless they are large."""
        if not self._gathers or sum(one.size for one in self._queue) > _MOST_BYTES:
            return 0
        return 2 * self._at_once

    def expect_more(self, *, is_coming: bool) -> None:
        """Say whether more commits are coming, whatever becomes of those before. Meanwhile, those that may wait are
        gathered, where transactions are dear."""
        self._more_is_coming = is_coming and self._gathers
        self._decide()

    def _decide(self) -> None:
        if self._more_is_coming and not self._is_urgent and len(self._queue) < self._at_once:
            self._may_write.clear()
        else:
            self._may_write.set()

    async def commit(
        self, edits: Sequence[Edit], *, precedes_request: bool = False, may_gather: bool = False, size: int = 0
    ) -> None:
        """Return when the edits are durable. Raises: `StateUnusable`; then none of them was written.

        precedes_request: see `StateWriter.stage`.
        may_gather: whether they may wait for more that is coming.
        size: bytes of the requests in them.
        """
        if not edits:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(edits, precedes_request, size, future))
        self._is_urgent = self._is_urgent or not may_gather
        self._decide()
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        # The caller may be cancelled; its edits are written all the same.
        await asyncio.shield(future)

    async def close(self) -> None:
        """Wait until all edits are written."""
        if self._writer is not None:
            await asyncio.shield(self._writer)

    def _next_group(self) -> list[_Waiting]:
        """Take what shares the next transaction."""
        size = count = 0
        for one in self._queue[: self._at_once]:
            size += one.size
            if count and size > _MOST_BYTES:
                break
            count += 1
        group, self._queue = self._queue[:count], self._queue[count:]
        self._is_urgent = self._is_urgent and bool(self._queue)
        return group

    async def _drain(self) -> None:
        try:
            while self._queue:
                self._decide()
                await self._may_write.wait()
                group = self._next_group()
                edits = [edit for one in group for edit in one.edits]
                precedes_request = any(one.precedes_request for one in group)
                error: BaseException | None = None
                try:
                    self._store.stage(edits, precedes_request=precedes_request)
                    await asyncio.to_thread(self._store.finish)
                except BaseException as caught:  # passed to every caller: none may wait for ever
                    error = caught
                for one in group:
                    if one.done.done():
                        continue
                    if error is None:
                        one.done.set_result(None)
                    else:
                        one.done.set_exception(error)
                        one.done.exception()  # its caller may be gone; asyncio would complain about an unseen one
        finally:
            self._writer = None
