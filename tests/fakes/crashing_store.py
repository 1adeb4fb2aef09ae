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
        self._staged: Sequence[Edit] = ()

    def commit(self, edits: Sequence[Edit]) -> int:
        self._countdown[0] -= 1
        if self._countdown[0] == 0:
            if self._after:
                self._store.commit(edits)
            raise Crash
        return self._store.commit(edits)

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        self._staged = edits

    def finish(self) -> int:
        return self.commit(self._staged)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)
