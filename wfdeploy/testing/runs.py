"""A workflow run as a test sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from wfdeploy.localserver.api.services import Services
from wfdeploy.localserver.store.records import MessageKind, RunRecord, RunState

if TYPE_CHECKING:
    from wfdeploy.testing.server import WorkflowServer

TIMEOUT_S = 30.0
"""Of the machine's time, for the applications to do their part."""


class NothingLeft(AssertionError):
    """Raised when what was waited for will never happen, however much time passes."""


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    type: str
    """`Run`, `SleepFor`, `SleepUntil`, `Call`, `Wait`, `Notify`, `Invoke`, ..."""
    state: str
    """`STEP_SUCCESS`, `STEP_PROGRESS`, ..."""
    out: Any
    """The step's result, decoded if it is JSON."""
    logged: Mapping[str, Any]
    """The step as the logs show it."""


class Run:
    """One run, in whatever state. Two runs of one id differ in when they were created."""

    def __init__(self, server: WorkflowServer, run_id: str, created_at_ms: int) -> None:
        self._server = server
        self.id = run_id
        self.created_at_ms = created_at_ms

    def __repr__(self) -> str:
        return f"<Run {self.id}>"

    # -- what is known of it ------------------------------------------------------------------------------------------

    @property
    def logged(self) -> Mapping[str, Any]:
        """The run as `GET /v2/workflows/logs` shows it."""
        query = {"workflowRunId": self.id, "workflowCreatedAt": str(self.created_at_ms)}
        answer = self._server.call("GET", "/v2/workflows/logs", params=query).json()
        run: Mapping[str, Any] = answer["runs"][0]
        return run

    @property
    def state(self) -> str:
        """`RUN_STARTED`, `RUN_SUCCESS`, `RUN_FAILED` or `RUN_CANCELED`."""
        return str(self.logged["workflowState"])

    @property
    def result(self) -> Any:
        """The workflow's result, decoded if it is JSON; None before its end."""
        return _decoded(self.logged.get("workflowRunResponse"))

    @property
    def error(self) -> str | None:
        """Why it failed: the endpoint's answer to the last attempt."""
        record = self._record()
        return None if record.failure is None else str(record.failure["failResponse"] or record.failure["error"])

    @property
    def failure_callback(self) -> str | None:
        """`CALLBACK_SUCCESS` or `CALLBACK_FAIL`, once a failed run's failure function was called."""
        failure = self._record().failure
        return None if failure is None else failure.get("state")

    @property
    def steps(self) -> list[Step]:
        """The recorded steps in order, without the initial one."""
        groups = self.logged["steps"][1:]
        return [
            Step(step["stepName"], step["stepType"], step["state"], _decoded(step.get("out")), step)
            for group in groups
            if group["type"] != "next"
            for step in group["steps"]
        ]

    # -- letting time pass --------------------------------------------------------------------------------------------

    def wait(self, *, timeout_s: float = TIMEOUT_S) -> Self:
        """Let time pass until the run has ended, its failure function included.

        `timeout_s` is of the machine's time. Raises: NothingLeft, TimeoutError.
        """

        def ended(services: Services) -> bool:
            record = self._find(services)
            callback = (record.failure or {}).get("state")
            return record.state is not RunState.STARTED and callback != "CALLBACK_INPROGRESS"

        if not self._server.pass_time(ended, timeout_s=timeout_s):
            raise NothingLeft(f"{self.id} will not end: {self._server.inside(self._what_holds_it_up)}")
        return self

    def wait_for_event(self, event_id: str, *, timeout_s: float = TIMEOUT_S) -> Self:
        """Let time pass until the run waits for an event.

        Raises: NothingLeft when it ends without waiting, or would never continue; TimeoutError.
        """

        def waits(services: Services) -> bool:
            return event_id in self._events(services)

        def over(services: Services) -> bool:
            return waits(services) or self._find(services).state is not RunState.STARTED

        self._server.pass_time(over, timeout_s=timeout_s)
        if not self._server.inside(waits):
            raise NothingLeft(f"{self.id} ({self.state}) does not wait for {event_id!r}")
        return self

    # -- steering -----------------------------------------------------------------------------------------------------

    def notify(self, event_id: str, data: Any = None) -> None:
        """Tell this run of an event; it is kept for the run if it does not wait for it yet."""
        self._server.call("POST", f"/v2/notify/{self.id}/{event_id}", content=json.dumps(data))

    def cancel(self) -> None:
        self._server.call("DELETE", f"/v2/workflows/runs/{self.id}")

    def resume(self) -> Run:
        """A new run that continues where this one failed, from the dead-letter queue."""
        return self._revive("resume")

    def restart(self) -> Run:
        """A new run from the beginning, from the dead-letter queue."""
        return self._revive("restart")

    def _revive(self, how: str) -> Run:
        answer = self._server.call("POST", f"/v2/workflows/dlq/{how}/{self.logged.get('dlqId', '')}").json()
        return Run(self._server, answer["workflowRunId"], answer["workflowCreatedAt"])

    # -- inside the server's thread -----------------------------------------------------------------------------------

    def _record(self) -> RunRecord:
        return self._server.inside(self._find)

    def _find(self, services: Services) -> RunRecord:
        found = (run for run in services.store.runs_of_id(self.id) if run.created_at == self.created_at_ms)
        return next(found)

    def _events(self, services: Services) -> list[str]:
        messages = services.store.shown_of_run(self._find(services).seq)
        return [
            message.event_id or ""
            for message in messages
            if message.kind is MessageKind.WAIT and message.state == "pending"
        ]

    def _what_holds_it_up(self, services: Services) -> str:
        messages = services.store.shown_of_run(self._find(services).seq)
        left = [message for message in messages if message.state in ("pending", "waiting")]
        if not left:
            return "its endpoint answered the last delivery without going on or finishing"
        keys = {message.flow_key for message in left if message.flow_key is not None}
        return (
            f"flow control holds it up: {', '.join(sorted(keys))}" if keys else "it waits for a run that will not end"
        )


def _decoded(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
