"""The embedded server in the hands of our own tests: what it accepted, and waiting for what it does."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from wfdeploy.localserver import serve
from wfdeploy.localserver.api.services import Services
from wfdeploy.localserver.runs import waiting
from wfdeploy.localserver.store.records import RunRecord, RunState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AcceptedRun:
    """One run that the server accepted, whatever became of it."""

    run_id: str
    created_at_ms: int
    state: str
    destination: str
    body: bytes
    headers: dict[str, str]
    """The user's headers, as they are forwarded to the endpoint."""
    labels: tuple[str, ...]
    starts_at_ms: int
    tenant: str
    response: str | None
    error: str | None
    """Why it failed."""
    failure_callback: str | None
    """The state of its failure callback: CALLBACK_INPROGRESS, CALLBACK_SUCCESS or CALLBACK_FAIL."""

    @classmethod
    def of(cls, run: RunRecord) -> Self:
        return cls(
            run_id=run.run_id,
            created_at_ms=run.created_at,
            state=run.state.value,
            destination=run.url,
            body=run.payload,
            headers=dict(run.settings.headers),
            labels=run.labels,
            starts_at_ms=run.starts_at,
            tenant=run.tenant,
            response=run.response,
            error=run.failure["error"] if run.failure else None,
            failure_callback=run.failure.get("state") if run.failure else None,
        )


class LocalServer(serve.LocalServer):
    """The server as its thread's other side sees it. Everything that touches the ledger runs in the server's thread."""

    def accepted(self, run_id: str | None = None) -> list[AcceptedRun]:
        """Every run ever accepted under this id (or at all), in order of acceptance, ended ones included."""
        return self.inside(lambda services: _accepted(services, run_id))

    def accepted_counts(self) -> dict[str, int]:
        """How many runs were accepted per id: what exactly-once tests compare with."""

        def count(services: Services) -> dict[str, int]:
            rows = services.store.connection.execute("SELECT run_id, COUNT(*) FROM runs GROUP BY run_id")
            return {row[0]: row[1] for row in rows}

        return self.inside(count)

    def end(self, run_id: str, state: str = "RUN_SUCCESS") -> bool:
        """End the run in progress of this id, as its workflow would; False when there is none. Frees the id."""

        def finish(services: Services) -> bool:
            run = services.store.run_in_progress(self.tenant.name, run_id)
            if run is None:
                return False
            with services.store.transaction():
                following = waiting.end_run(services.store, run.seq, RunState(state), now_ms=services.clock.now_ms())
            services.hand_over(following)
            return True

        return self.inside(finish)

    def freeze_logs(self) -> None:
        """From now on accepted runs do not show up in the logs, until `thaw_logs`; older ones go on showing."""
        self.faults.logs_end_at_seq = self.inside(_last_seq)

    def thaw_logs(self) -> None:
        self.faults.logs_end_at_seq = None

    def poke(self) -> None:
        """Have the engine look again, after the scenario's `hold_deliveries` was turned off."""
        self.inside(lambda services: services.engine.schedule(()))

    def wait_idle(self, timeout_s: float = 10.0) -> None:
        """Return when nothing is being delivered and nothing is due; what is delayed does not count.

        Raises: TimeoutError.
        """

        async def wait(services: Services) -> None:
            await services.engine.wait_idle()

        self._await(wait, timeout_s)

    def wait_until(self, condition: Callable[[list[AcceptedRun]], bool], timeout_s: float = 10.0) -> list[AcceptedRun]:
        """Return all accepted runs as soon as they meet the condition, which is asked in the caller's thread.

        Raises: TimeoutError.
        """
        return self._wait(lambda services: _accepted(services, None), condition, timeout_s)

    def wait_ended(self, run_id: str, timeout_s: float = 10.0) -> AcceptedRun:
        """The newest run of this id, once it has ended.

        Raises: TimeoutError.
        """

        def ended(runs: list[AcceptedRun]) -> bool:
            return bool(runs) and runs[-1].state != RunState.STARTED

        return self._wait(lambda services: _accepted(services, run_id), ended, timeout_s)[-1]

    def wait_all_ended(self, timeout_s: float = 10.0) -> None:
        """Return when no run is in progress.

        Raises: TimeoutError.
        """
        self._wait(_in_progress, lambda count: count == 0, timeout_s)

    def _wait(self, look: Callable[[Services], T], enough: Callable[[T], bool], timeout_s: float) -> T:
        deadline = time.monotonic() + timeout_s
        while True:
            seen, found = self.inside(lambda services: (services.changes.count, look(services)))
            if enough(found):
                return found
            self._await(functools.partial(_change_after, seen), deadline - time.monotonic())


def _accepted(services: Services, run_id: str | None) -> list[AcceptedRun]:
    return [AcceptedRun.of(run) for run in services.store.runs_of_id(run_id)]


async def _change_after(seen: int, services: Services) -> None:
    await services.changes.wait_beyond(seen)


def _last_seq(services: Services) -> int:
    row = services.store.connection.execute("SELECT COALESCE(MAX(seq), 0) FROM runs").fetchone()
    return int(row[0])


def _in_progress(services: Services) -> int:
    """How many runs have not ended, of all tenants."""
    row = services.store.connection.execute("SELECT COUNT(*) FROM runs WHERE state = 'RUN_STARTED'").fetchone()
    return int(row[0])
