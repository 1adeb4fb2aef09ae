"""Whether a command's trace and metrics are sent. The environment of the process decides, and no file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.telemetry.exporting import OtlpTelemetry
    from wfdeploy.wiring.assembly import Reporter
    from wfdeploy.wiring.settings import Settings

_GROUPS = ("rollout", "state")
"""Commands whose second word is a part of their name."""


@contextmanager
def telemetry_of(settings: Settings, command: str, reporter: Reporter) -> Iterator[OtlpTelemetry | None]:
    """The telemetry of one command, which is sent when the block ends; None where nobody wants any.

    command: as a person typed it. Nothing but its name is told.
    """
    environ = settings.process_environ
    if not any(name.startswith("OTEL_EXPORTER_OTLP_") for name in environ):
        yield None
        return
    if environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf") != "http/protobuf":
        reporter.detail("no telemetry: OTEL_EXPORTER_OTLP_PROTOCOL has to be http/protobuf")
        yield None
        return
    try:
        from wfdeploy.telemetry.exporting import OtlpTelemetry, is_sent
    except ModuleNotFoundError:
        reporter.detail("no telemetry: it needs `pip install 'wfdeploy[otel]'`")
        yield None
        return
    if not any(is_sent(signal, environ) for signal in ("traces", "metrics")):
        yield None
        return
    project = settings.target.project
    attributes = {"wfdeploy.project": project.name, "wfdeploy.environment": project.environment}
    began_s = time.monotonic()
    telemetry = OtlpTelemetry(name_of(command), attributes, environ=environ)

    def warn() -> None:
        reporter.warn("the telemetry could not be sent", "check OTEL_EXPORTER_OTLP_ENDPOINT, or unset it")

    error: BaseException | None = None
    try:
        yield telemetry
    except BaseException as raised:
        error = raised
        raise
    finally:
        telemetry.end(error, time.monotonic() - began_s, warn)


def name_of(command: str) -> str:
    """The name of a command, without its arguments: `state mv` of `wfdeploy state mv a b`."""
    first, *words = command.split()
    if first != "wfdeploy":
        return first  # a method of the Python API
    names = [word for word in words if not word.startswith("-")]
    return " ".join(names[: 2 if names[:1] and names[0] in _GROUPS else 1])
