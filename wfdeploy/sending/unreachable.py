"""The gateway of an apply that has nothing to ask of a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.observed import RunLog
from wfdeploy.model.remote import (
    CancelReply,
    DeadLetter,
    Item,
    NotCancelled,
    NotSent,
    ResumeReply,
    RunPage,
    ServerFacts,
    TriggerReply,
)
from wfdeploy.ports import RunGateway

_WORDS = "no server was to be asked"


class Unreachable(RunGateway):
    """Answers everything as if there were no network."""

    @property
    def facts(self) -> ServerFacts:
        return ServerFacts()

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:  # noqa: ARG002
        return NotSent(_WORDS)

    def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:  # noqa: ARG002
        raise RemoteFailure(_WORDS)

    async def read_run(self, workflow_run_id: str, created_at_ms: int | None = None) -> RunLog | None:  # noqa: ARG002
        raise RemoteFailure(_WORDS)

    def list_dead_letters(self, *, label: str, since_ms: int | None) -> AsyncIterator[Sequence[DeadLetter]]:  # noqa: ARG002
        raise RemoteFailure(_WORDS)

    async def resume(self, dlq_id: str, *, labels: Sequence[str]) -> ResumeReply:  # noqa: ARG002
        return NotSent(_WORDS)

    async def cancel(self, workflow_run_ids: Sequence[str], *, label: str) -> CancelReply:  # noqa: ARG002
        return NotCancelled(_WORDS, may_have_acted=False)

    async def aclose(self) -> None:
        return
