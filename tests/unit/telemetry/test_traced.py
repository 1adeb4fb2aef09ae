"""Requests and commits as spans; what isn't traced is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.fakes.collector import Collector, attributes
from wfdeploy.errors import RemoteFailure
from wfdeploy.model.remote import ServerFacts
from wfdeploy.telemetry.exporting import OtlpTelemetry


class Server:
    """A gateway and a store whose answers are told by name."""

    facts = ServerFacts(log_lag_s=1.25)
    is_closed = False

    async def read_run(self, workflow_run_id: str, created_at_ms: int | None = None) -> None:
        if workflow_run_id == "wfr_lost":
            raise RemoteFailure("the server is wfr_lost")

    async def cancel(self, workflow_run_ids: list[str], *, label: str) -> str:
        return f"{label}: {len(workflow_run_ids)}"

    async def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[str]:
        yield label
        yield f"{label} {since_ms} {cursor}"

    async def may_trigger(self) -> bool:
        return True

    async def aclose(self) -> None:
        self.is_closed = True

    def stage(self, edits: list[int], *, precedes_request: bool = False) -> None:
        if not edits:
            raise OSError("disk full")

    def finish(self) -> int:
        return 7

    def head(self) -> str:
        return "head"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.fixture
def telemetry(collector: Collector) -> OtlpTelemetry:
    return OtlpTelemetry("apply", {}, environ={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})


def spans(collector: Collector, telemetry: OtlpTelemetry) -> list[tuple[str, dict[str, str | int]]]:
    telemetry.end(None, 0.1, lambda: pytest.fail("it was sent"))
    return [(span.name, attributes(span)) for span in collector.spans[1:]]


def test_requests(collector: Collector, telemetry: OtlpTelemetry) -> None:
    server: Any = Server()
    gateway: Any = telemetry.traced_gateway(server)

    async def talk() -> None:
        assert await gateway.cancel(["a", "b"], label="x") == "x: 2"
        assert [page async for page in gateway.list_runs(label="x", since_ms=5, cursor="c")] == ["x", "x 5 c"]
        assert await gateway.read_run("wfr_a") is None
        with pytest.raises(RemoteFailure):
            await gateway.read_run("wfr_lost")
        assert await gateway.may_trigger()
        await gateway.aclose()

    asyncio.run(talk())
    assert server.is_closed
    assert spans(collector, telemetry) == [
        ("cancel", {"runs": 2, "reply": "str"}),
        ("listing", {"pages": 2}),
        ("lookup", {"reply": "NoneType"}),
        ("lookup", {"error.type": "RemoteFailure"}),
    ]
    assert collector.metrics["wfdeploy.log_lag"] == {"": 1.25}
    assert not any(b"wfr_" in body for _, body in collector.bodies)


def test_commits(collector: Collector, telemetry: OtlpTelemetry) -> None:
    inner: Any = Server()
    store: Any = telemetry.traced(inner)
    assert store.commit([1, 2]) == 7
    with pytest.raises(OSError, match="disk full"):
        store.commit([])
    assert store.head() == "head"
    assert spans(collector, telemetry) == [
        ("commit", {"edits": 2}),
        ("commit", {"edits": 0, "error.type": "OSError"}),
    ]
