"""The table that maps manifest fields to the headers of a batch item.

It drives the encoding and the page `docs/reference/headers.md`. Names, units and formats are those of the Workflow
REST reference, "Trigger Workflow Run"; each item of "Batch Trigger Workflow Runs" takes the same headers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from wfdeploy.model.request import SecretText, Template, Text

RUN_ID = "Upstash-Workflow-RunId"
LABEL = "Upstash-Label"


@dataclass(frozen=True, slots=True)
class Row:
    """One manifest field and its header.

    `header`: the header's name, or its prefix for a field with several names.
    `written`: the format of the value, for the documentation.
    `example`: a value as it is sent.
    `read`: takes the value from a template.
    """

    field: str
    header: str
    written: str
    example: str
    read: Callable[[Template], Mapping[str, Text] | Text | int | None]
    unit: str = ""  # follows a number
    of_delivery: bool = True  # False: part of what the run does

    def pairs(self, template: Template) -> Iterator[tuple[str, Text]]:
        """The headers, each with its value."""
        value = self.read(template)
        if isinstance(value, Mapping):
            for name, text in value.items():
                yield self.header + name, text
        elif value is not None:
            yield self.header, f"{value}{self.unit}" if isinstance(value, int) else value


def _flow_control_key(template: Template) -> Text | None:
    limits = template.delivery.flow_control
    return None if limits is None else limits.key


def _flow_control_value(template: Template) -> str | None:
    """The given limits in this order: `parallelism=2, rate=5, period=60s`."""
    limits = template.delivery.flow_control
    if limits is None:
        return None
    given = (("parallelism", limits.parallelism, ""), ("rate", limits.rate, ""), ("period", limits.period_s, "s"))
    return ", ".join(f"{name}={value}{unit}" for name, value, unit in given if value is not None)


def _redacted(template: Template) -> str | None:
    """`body,header` or `body,header[Name]`, spelled as in the official SDKs."""
    redact = template.delivery.redact
    if redact is None:
        return None
    fields = ["body"] if redact.body else []
    if redact.headers is True:
        fields.append("header")
    elif redact.headers:
        fields.extend(f"header[{name}]" for name in redact.headers)
    return ",".join(fields) or None


def joined_labels(label: str, labels: tuple[str, ...]) -> str:
    """The project's label, then the run's own labels, without duplicates."""
    return ",".join(dict.fromkeys((label, *labels)))


def resolved(text: Text, secrets: Mapping[str, str]) -> str:
    """The text with its secrets, as it is sent. Raises: `KeyError` with the name of a missing secret."""
    return text.resolve(secrets) if isinstance(text, SecretText) else text


ROWS: tuple[Row, ...] = (
    Row("contentType", "Content-Type", "unchanged", "application/json", lambda it: it.content_type, of_delivery=False),
    Row(
        "headers",
        "Upstash-Forward-",
        "one header each, unchanged",
        "Upstash-Forward-X-Team: growth",
        lambda it: it.headers,
        of_delivery=False,
    ),
    Row("retries", "Upstash-Retries", "integer", "5", lambda it: it.delivery.retries),
    Row(
        "retryDelay",
        "Upstash-Retry-Delay",
        "expression, milliseconds",
        "pow(2, retried) * 1000",
        lambda it: it.delivery.retry_delay,
    ),
    Row("delay", "Upstash-Delay", "whole seconds with the unit", "90s", lambda it: it.delivery.delay_s, "s"),
    Row("notBefore", "Upstash-Not-Before", "Unix time in seconds", "1796104800", lambda it: it.delivery.not_before_s),
    Row("timeout", "Upstash-Timeout", "whole seconds with the unit", "30s", lambda it: it.delivery.timeout_s, "s"),
    Row("flowControl.key", "Upstash-Flow-Control-Key", "unchanged", "onboard", _flow_control_key),
    Row(
        "flowControl",
        "Upstash-Flow-Control-Value",
        "the given limits; `period` in seconds",
        "parallelism=10, rate=100, period=60s",
        _flow_control_value,
    ),
    Row(
        "failureUrl",
        "Upstash-Failure-Callback",
        "unchanged",
        "https://ops.example.com/hooks/failed",
        lambda it: it.delivery.failure_url,
    ),
    Row(
        "failureHeaders",
        "Upstash-Failure-Callback-Forward-",
        "one header each, unchanged",
        "Upstash-Failure-Callback-Forward-X-Team: growth",
        lambda it: it.delivery.failure_headers,
    ),
    Row(
        "redact",
        "Upstash-Redact-Fields",
        "`body`, `header` (all) or `header[Name]`, joined by commas",
        "body,header[Authorization]",
        _redacted,
    ),
)
"""All rows except the workflow run id and the labels, which need more than the request (see `wire`)."""


def headers_of(field: str) -> list[tuple[str, str, str]]:
    """The headers by which a field of a run, or of the defaults, is sent: each with its format and an example.

    `field`: as `flowControl.key`. A field within one of the table's is sent with that one.
    """
    if field == "workflowRunId":
        return [(RUN_ID, "unchanged", "migration-2026-11-acme")]
    if field == "labels":
        return [(LABEL, "joined by commas, the project's own first", "wfdeploy.acme.prod,onboarding")]
    rows = [row for row in ROWS if row.field == field or row.field.startswith(f"{field}.")]
    rows = rows or [row for row in ROWS if field.startswith(f"{row.field}.")]
    return [(f"{row.header}NAME" if row.header.endswith("-") else row.header, row.written, row.example) for row in rows]
