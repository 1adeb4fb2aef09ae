"""Parameters that several operations share."""

from __future__ import annotations

from typing import Any

from wfdeploy.localserver.openapi.operations import Param, Schema, listed, text, whole
from wfdeploy.localserver.runs.options import LABELS_PATTERN, NAME_PATTERN, REDACTED_PATTERN, RUN_ID_PATTERN
from wfdeploy.localserver.store.filters import CURSOR_PATTERN, LARGEST, RUN_PAIRS_PATTERN

__all__ = ["RUN_PAIRS_PATTERN"]

URL_PATTERN = r"^https?://[0-9A-Za-z\[][!-~]*$"
"""URLs in queries and headers; in paths they have the format `uri`."""


_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,9})?"
DURATION_PATTERN = f"^({_NUMBER}|({_NUMBER}(ns|us|ms|s|m|h|d))+)$"


def many(name: str, description: str) -> Param:
    """A filter with alternative values, repeated or separated by commas."""
    return Param(name, "query", description, listed({"type": "string"}))


MOMENT = whole("Unix milliseconds", minimum=0, maximum=LARGEST, format="int64")


def at_least(number: int, **more: Any) -> Schema:
    return whole(minimum=number, maximum=LARGEST, **more)


CURSOR = Param("cursor", "query", "the cursor of the previous page; opaque", text(pattern=CURSOR_PATTERN))
RUN_ID = Param("workflowRunId", "query", "runs of this id")
CREATED_AT = Param("workflowCreatedAt", "query", "the run accepted at this moment", MOMENT)

COMMON_FILTERS = (
    Param("fromDate", "query", "not before this time", MOMENT),
    Param("toDate", "query", "not after this time", MOMENT),
    many("label", "runs with one of these labels"),
    many("flowControlKey", "runs delivered under one of these keys"),
    many("callerIp", "runs triggered from one of these addresses"),
)

ENDPOINT_FILTERS = (
    many("host", "runs with an endpoint on one of these hosts, including the port if there is one"),
    many("path", "runs with an endpoint at one of these paths"),
)


def _duration(name: str, description: str) -> Param:
    examples = ["50s", "10h", "1d10h30m"]
    return Param(name, "header", description, text(pattern=DURATION_PATTERN, examples=examples))


_RETRIES = Param("Upstash-Retries", "header", "the retries of a failed delivery", whole(minimum=0, default=3))
_RETRY_DELAY = Param(
    "Upstash-Retry-Delay",
    "header",
    "milliseconds before the next attempt, as an expression: numbers, `retried`, + - * / and parentheses, and"
    " pow, exp, sqrt, abs, floor, ceil, round, min, max",
    text(format="retry-delay", minLength=1, maxLength=1000, examples=["1000", "pow(2, retried) * 1000"]),
)
_DELAY = _duration("Upstash-Delay", "the delay before the first delivery")
_LABEL = Param("Upstash-Label", "header", "labels, separated by commas", text(pattern=LABELS_PATTERN))
_FLOW = (
    Param("Upstash-Flow-Control-Key", "header", "the key; requires the value", text(pattern=NAME_PATTERN)),
    Param(
        "Upstash-Flow-Control-Value",
        "header",
        "the limits of the key, any of the three; requires the key",
        text(format="flow-control-value", minLength=1, examples=["parallelism=2, rate=5, period=1m"]),
    ),
)
_FAILURE = Param(
    "Upstash-Failure-Callback", "header", "called when the run has failed", text(pattern=f"^({URL_PATTERN[1:-1]})?$")
)

_COMMON = (_RETRIES, _RETRY_DELAY, _DELAY, _LABEL, *_FLOW)
OVERRIDES = (*_COMMON, _FAILURE)
"""Settings that may be changed when a failed run is resumed or restarted."""

DELIVERY_HEADERS = (
    *_COMMON,
    Param(
        "Upstash-Not-Before",
        "header",
        "the time of the first delivery, in Unix seconds; the past means now. Overrides `Upstash-Delay`",
        {"type": "number"},
    ),
    _duration("Upstash-Timeout", "the time limit of an answer"),
    Param(
        "Upstash-Redact-Fields",
        "header",
        "fields to show as a hash: `body`, `header`, `header[Name]`, separated by commas",
        text(pattern=REDACTED_PATTERN),
    ),
)

TRIGGER_HEADERS = (
    Param("Upstash-Workflow-RunId", "header", "the run's id; random by default", text(pattern=RUN_ID_PATTERN)),
    *DELIVERY_HEADERS,
    _FAILURE,
)
