"""The ways to the server and to the state, with a span for each request and each commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from wfdeploy.model.edits import Edit
    from wfdeploy.model.observed import RunLog
    from wfdeploy.model.remote import CancelReply, DeadLetter, Item, ResumeReply, RunPage, TriggerReply
    from wfdeploy.ports import RunGateway, StateStore
    from wfdeploy.telemetry.exporting import OtlpTelemetry, Value

T = TypeVar("T")


class _Passing:
    """Passes on whatever isn't traced."""

    def __init__(self, inner: Any, telemetry: OtlpTelemetry) -> None:
        self._inner = inner
        self._telemetry = telemetry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Gateway(_Passing):
    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        return cast("TriggerReply", await self._replied("batch", self._inner.trigger(items), runs=len(items)))

    async def resume(self, dlq_id: str, *, labels: Sequence[str]) -> ResumeReply:
        return cast("ResumeReply", await self._replied("resume", self._inner.resume(dlq_id, labels=labels)))

    async def cancel(self, workflow_run_ids: Sequence[str], *, label: str) -> CancelReply:
        reply = self._inner.cancel(workflow_run_ids, label=label)
        return cast("CancelReply", await self._replied("cancel", reply, runs=len(workflow_run_ids)))

    async def read_run(self, workflow_run_id: str, created_at_ms: int | None = None) -> RunLog | None:
        return cast(
            "RunLog | None", await self._replied("lookup", self._inner.read_run(workflow_run_id, created_at_ms))
        )

    async def read_payload_digest(self, workflow_run_id: str, created_at_ms: int) -> str | None:
        reply = self._inner.read_payload_digest(workflow_run_id, created_at_ms)
        return cast("str | None", await self._replied("lookup", reply))

    def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:
        return self._paged("listing", self._inner.list_runs(label=label, since_ms=since_ms, cursor=cursor))

    def list_dead_letters(self, *, label: str, since_ms: int | None) -> AsyncIterator[Sequence[DeadLetter]]:
        return self._paged("dead letters", self._inner.list_dead_letters(label=label, since_ms=since_ms))

    async def aclose(self) -> None:
        lag_s = self._inner.facts.log_lag_s
        if lag_s is not None:
            self._telemetry.lagged(lag_s)
        await self._inner.aclose()

    async def _replied(self, name: str, reply: Awaitable[T], **attributes: Value) -> T:
        span = self._telemetry.begin(name, **attributes)
        try:
            found = await reply
            span.set_attribute("reply", type(found).__name__)
            return found
        except BaseException as error:
            self._telemetry.fail(span, error)
            raise
        finally:
            span.end()

    async def _paged(self, name: str, pages: AsyncIterator[T]) -> AsyncIterator[T]:
        span = self._telemetry.begin(name)
        count = 0
        try:
            async for page in pages:
                count += 1
                yield page
        except GeneratorExit:
            raise
        except BaseException as error:
            self._telemetry.fail(span, error)
            raise
        finally:
            span.set_attribute("pages", count)
            span.end()


class _Store(_Passing):
    def commit(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> int:
        self.stage(edits, precedes_request=precedes_request)
        return self.finish()

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        self._span = self._telemetry.begin("commit", edits=len(edits))
        try:
            self._inner.stage(edits, precedes_request=precedes_request)
        except BaseException as error:
            self._end(error)
            raise

    def finish(self) -> int:
        try:
            serial = cast("int", self._inner.finish())
        except BaseException as error:
            self._end(error)
            raise
        self._end(None)
        return serial

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            self._telemetry.fail(self._span, error)
        self._span.end()


def traced_gateway(gateway: RunGateway, telemetry: OtlpTelemetry) -> RunGateway:
    """Trace the requests to the server, and what kind of reply each got."""
    return cast("RunGateway", _Gateway(gateway, telemetry))


def traced_store(store: StateStore, telemetry: OtlpTelemetry) -> StateStore:
    """Trace the commits to a state."""
    return cast("StateStore", _Store(store, telemetry))
