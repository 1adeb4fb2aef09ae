"""What a collector on loopback gets of a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import monotonic

import pytest

from tests.fakes.collector import Collector, attributes
from wfdeploy.model.event import ApplyReport, Outcome
from wfdeploy.model.observed import RunState
from wfdeploy.telemetry.exporting import OtlpTelemetry, is_sent


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


def telemetry(collector: Collector, **more: str) -> OtlpTelemetry:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **more}
    return OtlpTelemetry("apply", {"wfdeploy.project": "shop"}, environ=environ)


def never() -> None:
    pytest.fail("it was sent")


def test_phases_and_what_begins_within_them_are_one_trace(collector: Collector) -> None:
    one = telemetry(collector)
    with one.phase("load"):
        one.begin("commit", edits=3).end()
    one.begin("batch").end()
    one.end(None, 1.5, never)
    root, load, commit, batch = collector.spans
    assert [span.name for span in collector.spans] == ["wfdeploy apply", "load", "commit", "batch"]
    assert not root.parent_span_id
    assert load.parent_span_id == batch.parent_span_id == root.span_id
    assert commit.parent_span_id == load.span_id
    assert {span.trace_id for span in collector.spans} == {root.trace_id}
    assert attributes(root) == {"wfdeploy.project": "shop"}
    assert attributes(commit) == {"edits": 3}
    assert collector.metrics["wfdeploy.command.duration"] == {"apply": 1}


def test_what_fails_is_marked_and_not_quoted(collector: Collector) -> None:
    one = telemetry(collector)
    error = ValueError("the token hush-hush")
    with pytest.raises(ValueError, match="token"), one.phase("load"):
        raise error
    one.end(error, 0.1, never)
    root, load = collector.spans
    assert root.status.code == load.status.code == 2
    assert attributes(load) == {"error.type": "ValueError"}
    assert not any(b"hush" in body for _, body in collector.bodies)


def test_an_apply_is_counted(collector: Collector) -> None:
    one = telemetry(collector)
    summary = {Outcome.TRIGGERED: 7, Outcome.REJECTED: 2, Outcome.KEPT: 0}
    one.applied(ApplyReport(summary=summary, results=(), drifted={RunState.FAILED: 3}))
    one.lagged(2.5)
    one.end(None, 0.1, never)
    assert collector.metrics["wfdeploy.runs"] == {"triggered": 7, "rejected": 2}
    assert collector.metrics["wfdeploy.drift"] == {RunState.FAILED.value: 3}
    assert collector.metrics["wfdeploy.log_lag"] == {"": 2.5}


def test_a_trace_continues_that_of_the_pipeline(collector: Collector) -> None:
    trace_id, span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    telemetry(collector, TRACEPARENT=f"00-{trace_id}-{span_id}-01").end(None, 0.1, never)
    (root,) = collector.spans
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (trace_id, span_id)


@pytest.mark.parametrize(("status", "hangs"), [(400, False), (200, True)])
def test_a_collector_that_fails_is_warned_of_and_not_waited_for(collector: Collector, status: int, hangs: bool) -> None:
    collector.status, collector.hangs = status, hangs
    warned: list[bool] = []
    began_s = monotonic()
    telemetry(collector, OTEL_EXPORTER_OTLP_TIMEOUT="200").end(None, 0.1, lambda: warned.append(True))
    assert warned == [True]
    assert monotonic() - began_s < 10


BASE, TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


@pytest.mark.parametrize(
    ("environ", "sent"),
    [
        ({}, set()),
        ({BASE: ""}, set()),
        ({BASE: "http://c"}, {"traces", "metrics"}),
        ({TRACES: "http://c"}, {"traces"}),
        ({BASE: "http://c", "OTEL_METRICS_EXPORTER": "none"}, {"traces"}),
        ({BASE: "http://c", "OTEL_SDK_DISABLED": "True"}, set()),
    ],
)
def test_the_variables_say_what_is_sent(environ: Mapping[str, str], sent: set[str]) -> None:
    assert {signal for signal in ("traces", "metrics") if is_sent(signal, environ)} == sent
