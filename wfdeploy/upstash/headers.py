"""The one table of what a manifest field becomes in the headers of a batch item.

It drives the encoding and the page `docs/reference/headers.md`. Names, units and formats are those of the Workflow
REST reference, "Trigger Workflow Run", whose headers "Batch Trigger Workflow Runs" takes in each item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from wfdeploy.model.request import FlowControl, Redact, SecretText, Template, Text

RUN_ID = "Upstash-Workflow-RunId"
LABEL = "Upstash-Label"

Pairs: TypeAlias = Iterator[tuple[str, Text]]
Write: TypeAlias = Callable[[str, Template], Pairs]
"""Gives the headers of one row for a template; the first argument is the row's header name or prefix."""


@dataclass(frozen=True, slots=True)
class Row:
    """One manifest field. `header` ends in `-` where the name of a forwarded header follows it.

    `written` says for the documentation how the value is written; `example` is a value as it is sent.
    """

    field: str
    header: str
    written: str
    example: str
    write: Write
    of_delivery: bool = True  # False: it belongs to what the run does

    def pairs(self, template: Template) -> Pairs:
        return self.write(self.header, template)


def _content_type(header: str, template: Template) -> Pairs:
    if template.content_type is not None:
        yield header, template.content_type


def _forwarded(prefix: str, template: Template) -> Pairs:
    for name, value in template.headers.items():
        yield prefix + name, value


def _retries(header: str, template: Template) -> Pairs:
    if template.delivery.retries is not None:
        yield header, str(template.delivery.retries)


def _retry_delay(header: str, template: Template) -> Pairs:
    if template.delivery.retry_delay is not None:
        yield header, template.delivery.retry_delay


def _delay(header: str, template: Template) -> Pairs:
    if template.delivery.delay_s is not None:
        yield header, f"{template.delivery.delay_s}s"


def _not_before(header: str, template: Template) -> Pairs:
    if template.delivery.not_before_s is not None:
        yield header, str(template.delivery.not_before_s)


def _timeout(header: str, template: Template) -> Pairs:
    if template.delivery.timeout_s is not None:
        yield header, f"{template.delivery.timeout_s}s"


def _flow_control_key(header: str, template: Template) -> Pairs:
    if template.delivery.flow_control is not None:
        yield header, template.delivery.flow_control.key


def _flow_control_value(header: str, template: Template) -> Pairs:
    if template.delivery.flow_control is not None:
        yield header, flow_control_value(template.delivery.flow_control)


def _failure_url(header: str, template: Template) -> Pairs:
    if template.delivery.failure_url is not None:
        yield header, template.delivery.failure_url


def _failure_headers(prefix: str, template: Template) -> Pairs:
    for name, value in template.delivery.failure_headers.items():
        yield prefix + name, value


def _redact(header: str, template: Template) -> Pairs:
    if template.delivery.redact is not None and (fields := redact_fields(template.delivery.redact)):
        yield header, fields


def flow_control_value(limits: FlowControl) -> str:
    """`parallelism=2, rate=5, period=60s`: what is given, in this order."""
    given = (
        ("parallelism", limits.parallelism, ""),
        ("rate", limits.rate, ""),
        ("period", limits.period_s, "s"),
    )
    return ", ".join(f"{name}={value}{unit}" for name, value, unit in given if value is not None)


def redact_fields(redact: Redact) -> str:
    """`body,header` or `body,header[Name]`; the spelling is the official SDKs', empty when nothing is redacted."""
    fields = ["body"] if redact.body else []
    if redact.headers is True:
        fields.append("header")
    elif redact.headers:
        fields.extend(f"header[{name}]" for name in redact.headers)
    return ",".join(fields)


def joined_labels(label: str, labels: tuple[str, ...]) -> str:
    """The project's label first, then the run's own, each once."""
    return ",".join(dict.fromkeys((label, *labels)))


def resolved(text: Text, secrets: Mapping[str, str]) -> str:
    """The text as it is sent. Raises: `KeyError` with the name of a missing secret."""
    return text.resolve(secrets) if isinstance(text, SecretText) else text


ROWS: tuple[Row, ...] = (
    Row("contentType", "Content-Type", "as it is", "application/json", _content_type, False),
    Row(
        "headers", "Upstash-Forward-", "one header each, as it is", "Upstash-Forward-X-Team: growth", _forwarded, False
    ),
    Row("retries", "Upstash-Retries", "integer", "5", _retries),
    Row("retryDelay", "Upstash-Retry-Delay", "expression, milliseconds", "pow(2, retried) * 1000", _retry_delay),
    Row("delay", "Upstash-Delay", "whole seconds with the unit", "90s", _delay),
    Row("notBefore", "Upstash-Not-Before", "Unix time in seconds", "1796104800", _not_before),
    Row("timeout", "Upstash-Timeout", "whole seconds with the unit", "30s", _timeout),
    Row("flowControl.key", "Upstash-Flow-Control-Key", "as it is", "onboard", _flow_control_key),
    Row(
        "flowControl",
        "Upstash-Flow-Control-Value",
        "the given limits; `period` in seconds",
        "parallelism=10, rate=100, period=60s",
        _flow_control_value,
    ),
    Row("failureUrl", "Upstash-Failure-Callback", "as it is", "https://ops.example.com/hooks/failed", _failure_url),
    Row(
        "failureHeaders",
        "Upstash-Failure-Callback-Forward-",
        "one header each, as it is",
        "Upstash-Failure-Callback-Forward-X-Team: growth",
        _failure_headers,
    ),
    Row(
        "redact",
        "Upstash-Redact-Fields",
        "`body`, `header` (all) or `header[Name]`, joined by commas",
        "body,header[Authorization]",
        _redact,
    ),
)
"""Every row but the two that need more than the request: the workflow run id and the labels (see `wire`)."""
