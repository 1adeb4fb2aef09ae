"""Traces and metrics, sent to the collector that OpenTelemetry's environment variables name, and to nobody else.

Sources: the OpenTelemetry specification, "OTLP Exporter" and "Environment Variable Specification" (names and defaults
of the variables; a base URL gets `/v1/traces` and `/v1/metrics`), and "Environment Variables as Context Propagation
Carriers" (`TRACEPARENT`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.context import get_current
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wfdeploy import __version__
from wfdeploy.telemetry.traced import traced_gateway, traced_store

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from wfdeploy.model.event import ApplyReport
    from wfdeploy.ports import RunGateway, StateStore

_TIMEOUT_S = 3.0
"""Of sending what is left when a command ends, if no variable says otherwise: nobody waits for a collector for long."""

Value = str | int | float


class OtlpTelemetry:
    """One command's trace, and its metrics. Names, counts and durations are all that it is told of."""

    def __init__(self, command: str, attributes: Mapping[str, Value], *, environ: Mapping[str, str]) -> None:
        """Begin the trace of a command.

        environ: says what is sent, and whether the trace continues another one. The exporters read the addresses from
            the environment of the process themselves.
        """
        timeout_s = _timeout_s(environ)
        resource = Resource.create({"service.name": "wfdeploy", "service.version": __version__})
        if name := environ.get("OTEL_SERVICE_NAME"):
            resource = resource.merge(Resource({"service.name": name}))
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        if is_sent("traces", environ):
            self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=timeout_s)))
        self._readers: list[PeriodicExportingMetricReader] = []
        if is_sent("metrics", environ):
            exporter = OTLPMetricExporter(timeout=timeout_s)
            self._readers.append(PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf))
        self._metrics = MeterProvider(metric_readers=self._readers, resource=resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer("wfdeploy", __version__)
        meter = self._metrics.get_meter("wfdeploy", __version__)
        self._runs = meter.create_counter("wfdeploy.runs", "{run}", "Runs that an apply dealt with, by outcome")
        self._drift = meter.create_gauge("wfdeploy.drift", "{run}", "Declared runs that are not as declared, by state")
        self._lag = meter.create_gauge("wfdeploy.log_lag", "s", "How far the server's logs are behind")
        self._duration = meter.create_histogram("wfdeploy.command.duration", "s", "How long a command took")
        self._command = command
        above = TraceContextTextMapPropagator().extract(
            {name: environ[name.upper()] for name in ("traceparent", "tracestate") if name.upper() in environ},
            context=get_current(),
        )
        self._open: list[Span] = [self._tracer.start_span(f"wfdeploy {command}", above, attributes=dict(attributes))]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Trace a part of the command; what begins meanwhile belongs to it."""
        span = self.begin(name)
        self._open.append(span)
        try:
            yield
        except BaseException as error:
            self.fail(span, error)
            raise
        finally:
            self._open.remove(span)
            span.end()

    def begin(self, name: str, **attributes: Value) -> Span:
        """Begin a span, to be ended by the caller, from any thread."""
        return self._tracer.start_span(name, self._context(), attributes=attributes)

    @staticmethod
    def fail(span: Span, error: BaseException) -> None:
        """Mark a span as failed. The words of an error may quote what it is about, so its type has to do."""
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", type(error).__name__)

    def traced(self, store: StateStore) -> StateStore:
        """Trace the commits to a state."""
        return traced_store(store, self)

    def traced_gateway(self, gateway: RunGateway) -> RunGateway:
        """Trace the requests to the server."""
        return traced_gateway(gateway, self)

    def applied(self, report: ApplyReport) -> None:
        """Count what became of the changes of an apply."""
        for outcome, count in report.summary.items():
            if count:
                self._runs.add(count, {"outcome": outcome.value})
                self._open[0].set_attribute(f"wfdeploy.runs.{outcome.value}", count)
        for state, count in report.drifted.items():
            self._drift.set(count, {"state": state.value})

    def lagged(self, seconds: float) -> None:
        """Note how far the server's logs are behind."""
        self._lag.set(seconds)

    def end(self, error: BaseException | None, took_s: float, warn: Callable[[], None]) -> None:
        """End the trace, and send everything. `warn` is called where that fails."""
        root = self._open[0]
        attributes = {"command": self._command}
        if error is not None:
            self.fail(root, error)
            attributes["error.type"] = type(error).__name__
        root.end()
        self._duration.record(took_s, attributes)
        with _quietly() as complaints:
            self._traces.shutdown()
            for reader in self._readers:
                reader.collect()
            self._metrics.shutdown()
        if complaints:
            warn()

    def _context(self) -> Context:
        return set_span_in_context(self._open[-1])


def is_sent(signal: str, environ: Mapping[str, str]) -> bool:
    """Whether the variables ask for `traces` or `metrics`."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").strip() != "otlp":
        return False
    names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return any(environ.get(name, "").strip() for name in names)


def _timeout_s(environ: Mapping[str, str]) -> float:
    try:
        return float(environ["OTEL_EXPORTER_OTLP_TIMEOUT"]) / 1000  # the specification counts milliseconds
    except (KeyError, ValueError):
        return _TIMEOUT_S


class _Kept(logging.Handler):
    def __init__(self, complaints: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self._complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        self._complaints.append(record)


@contextmanager
def _quietly() -> Iterator[list[logging.LogRecord]]:
    """What the exporters complain of in their logs, kept from the terminal."""
    logger = logging.getLogger("opentelemetry")
    complaints: list[logging.LogRecord] = []
    handler = _Kept(complaints)
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield complaints
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
