"""A state whose process dies while it writes."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.model_server import Crash
from wfdeploy.model.edits import Edit
from wfdeploy.ports import StateStore


class CrashingStore:
    """Dies at the n-th commit, before or after it is durable."""

    def __init__(self, store: StateStore, countdown: list[int], *, after: bool) -> None:
        self._store = store
        self._countdown = countdown
        self._after = after
        self._staged: tuple[Sequence[Edit], bool] = ((), False)

    def commit(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> int:
        self._countdown[0] -= 1
        if self._countdown[0] == 0:
            if self._after:
                self._store.commit(edits, precedes_request=precedes_request)
            raise Crash
        return self._store.commit(edits, precedes_request=precedes_request)

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        self._staged = edits, precedes_request

    def finish(self) -> int:
        edits, precedes_request = self._staged
        return self.commit(edits, precedes_request=precedes_request)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)
