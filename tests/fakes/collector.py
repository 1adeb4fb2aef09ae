"""An OpenTelemetry collector on loopback: it takes traces and metrics over HTTP, and shows what it got."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What has arrived so far. `status`: of every answer; `hangs`: there is none."""

    status: int = 200
    hangs: bool = False
    bodies: list[tuple[str, bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        collector, let_go = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                collector.bodies.append((self.path, body))
                if collector.hangs:
                    let_go.wait(30)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._let_go = let_go
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[Any]:
        """The spans, in the order in which they began."""
        requests = [ExportTraceServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/traces"]
        scopes = [scope for each in requests for resource in each.resource_spans for scope in resource.scope_spans]
        return sorted((span for scope in scopes for span in scope.spans), key=lambda span: span.start_time_unix_nano)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The values of each metric, by the values of their attributes; of a histogram, the counts."""
        requests = [ExportMetricsServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/metrics"]
        found: dict[str, dict[str, float]] = {}
        for each in requests:
            for metric in (m for r in each.resource_metrics for scope in r.scope_metrics for m in scope.metrics):
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    key = " ".join(sorted(one.value.string_value for one in point.attributes))
                    value = point.count if kind == "histogram" else point.as_int or point.as_double
                    found.setdefault(metric.name, {})[key] = value
        return found


def attributes(span: Any) -> dict[str, str | int]:
    """The attributes of a span."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
