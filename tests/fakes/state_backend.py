"""State backends that misbehave."""

from __future__ import annotations

from typing import Any, cast

from tests.fakes.crashing_store import CrashingStore
from wfdeploy.ports import StateBackend, StateStore


class _Altered:
    def __init__(self, backend: StateBackend, methods: dict[str, Any]) -> None:
        self._backend = backend
        vars(self).update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def altered(backend: StateBackend, **methods: Any) -> StateBackend:
    """The backend with other methods in place of some of its own."""
    return cast("StateBackend", _Altered(backend, methods))


def crashing(backend: StateBackend, countdown: list[int], *, after: bool) -> StateBackend:
    """The backend with stores that die at the n-th commit, before or after it is durable."""

    def doomed(store: StateStore) -> StateStore:
        return cast("StateStore", CrashingStore(store, countdown, after=after))

    return altered(
        backend,
        open=lambda *, readonly: doomed(backend.open(readonly=readonly)),
        create=lambda: doomed(backend.create()),
    )
