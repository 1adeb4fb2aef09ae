"""A project, and a server whose time stands still until a test lets it go by, with an endpoint that can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.model.event import ApplyReport
from wfdeploy.model.observed import ObservedRun, RunLog
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.remote import CancelReply, DeadLetter, Item, Lost, ResumeReply, RunPage, ServerFacts, TriggerReply
from wfdeploy.model.state import Record
from wfdeploy.ports import RunGateway
from wfdeploy.testing import WorkflowServer


class ServerClock:
    """`ports.Clock` by the server's time: who waits lets it go by."""

    def __init__(self, server: WorkflowServer) -> None:
        self._server = server

    def now_ms(self) -> int:
        return self._server.clock.now_ms()

    def monotonic(self) -> float:
        return self._server.clock.now_ms() / 1000

    async def sleep(self, seconds: float) -> None:
        self._server.advance(max(seconds, 0.0))


@dataclass
class Tap(RunGateway):
    """Passes everything on, counts it, and loses the answers that it is told to."""

    inner: RunGateway
    log: list[str]
    lose: Callable[[str], bool] = lambda _: False
    hides_letters: bool = False
    """Whether the logs don't tell dead letters."""

    @property
    def facts(self) -> ServerFacts:
        return self.inner.facts

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        self.log.append("trigger")
        reply = await self.inner.trigger(items)
        return Lost("the test lost it") if self.lose("trigger") else reply

    async def read_run(self, workflow_run_id: str, created_at_ms: int | None = None) -> RunLog | None:
        self.log.append("read")
        return await self.inner.read_run(workflow_run_id, created_at_ms)

    async def read_payload_digest(self, workflow_run_id: str, created_at_ms: int) -> str | None:
        self.log.append("payload")
        return await self.inner.read_payload_digest(workflow_run_id, created_at_ms)

    async def resume(self, dlq_id: str, *, labels: Sequence[str]) -> ResumeReply:
        self.log.append("resume")
        if self.lose("resume before it was sent"):
            return Lost("the test lost it")
        reply = await self.inner.resume(dlq_id, labels=labels)
        return Lost("the test lost it") if self.lose("resume") else reply

    async def cancel(self, workflow_run_ids: Sequence[str], *, label: str) -> CancelReply:
        self.log.append("cancel")
        return await self.inner.cancel(workflow_run_ids, label=label)

    async def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:
        self.log.append("list")
        async for page in self.inner.list_runs(label=label, since_ms=since_ms, cursor=cursor):
            yield replace(page, runs=tuple(map(self._shown, page.runs)))

    def _shown(self, run: ObservedRun) -> ObservedRun:
        return run._replace(dlq_id=None) if self.hides_letters else run

    def list_dead_letters(self, *, label: str, since_ms: int | None) -> AsyncIterator[Sequence[DeadLetter]]:
        self.log.append("dead letters")
        return self.inner.list_dead_letters(label=label, since_ms=since_ms)

    async def may_trigger(self) -> bool | None:
        return await self.inner.may_trigger()

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass
class Fleet:
    """One group `g` whose runs' payloads are the stages of a `StepEndpoint`."""

    bench: Workbench
    server: WorkflowServer
    endpoint: StepEndpoint
    url: str
    log: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Kinds of requests whose next answer is lost."""
    hides_letters: bool = False

    def __post_init__(self) -> None:
        self.bench.clock = ServerClock(self.server)
        self.bench.server(log_lag_s=0.0, log_lag_given=True)
        self.bench.wrap = lambda inner: Tap(inner, self.log, self._loses, self.hides_letters)

    def _loses(self, kind: str) -> bool:
        if kind in self.lost:
            self.lost.remove(kind)
            return True
        return False

    def declare(self, runs: dict[str, Any], policy: Any = None, **spec: Any) -> None:
        """Write the manifest: name -> stages, or -> the fields of a run."""
        declared = [
            run(name, **(what if isinstance(what, dict) else {"body": what})) for name, what in sorted(runs.items())
        ]
        spec = {"destination": self.url, "defaults": {"retries": 0}, **spec}
        self.bench.write(group("g", declared, policy=policy or {}, **spec))

    def apply(self, **selection: Any) -> dict[str, int]:
        """Apply, and give the outcomes that aren't zero."""
        return counts(self.report(**selection))

    def report(self, *, options: ApplyOptions | None = None, **selection: Any) -> ApplyReport:
        self.log.clear()
        return self.bench.apply(options=options, **selection)

    def settle(self) -> None:
        """Let everything happen that is due."""
        self.server.settle()

    def planned(self) -> dict[str, tuple[str, str]]:
        """Action and reason by address, of what the plan says."""
        return {change.address: (change.action.value, change.reason) for change in self.bench.plan().changes}

    def record(self, address: str = "g/a") -> Record:
        with self.bench.open() as store:
            (found,) = store.records([address])
            return found

    def states(self) -> list[str]:
        """Of all runs on the server, oldest first."""
        return [each.state for each in self.server.runs()]
