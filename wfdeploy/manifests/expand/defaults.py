"""Layers: the fields of a run over those of its group.

A field that is given replaces the one below, `null` clears it. Headers are merged by name, without regard to case.
`labels`, `flowControl` and `redact` are replaced as a whole, as a reader of the run expects to see all of them there;
any form of body replaces any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from wfdeploy.documents.scalars import seconds, unix_seconds
from wfdeploy.documents.values import fraction_problem, retry_delay
from wfdeploy.manifests.expand.data.streams import FileProblem
from wfdeploy.manifests.expand.evaluation import Evaluation
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.model.document import FieldPath
from wfdeploy.model.request import NO_BODY, Body, BodyKind, Delivery, FlowControl, Redact, Template, Text

BODY_FIELDS = ("body", "bodyText", "bodyFile")

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"

STAND_IN_URL = "https://stand-in.invalid/"
"""For one whose expressions can't be evaluated."""


def layer(
    base: Template, own: Mapping[str, Any], path: FieldPath, evaluation: Evaluation, default_type: str | None = None
) -> Template:
    """A template with the fields of `own` (at `path` of the document) over those of `base`; bodies are left out.

    default_type: the content type where neither gives one.
    """
    destination, content_type, headers, delivery = base.destination, base.content_type, base.headers, base.delivery
    if own.get("destination") is not None:
        destination = evaluation.text(own["destination"], (*path, "destination"), stand_in=STAND_IN_URL)
    if "contentType" in own:
        content_type = own["contentType"]
    if "headers" in own:
        headers = merge_headers(headers, own["headers"], (*path, "headers"), evaluation)
    if not own.keys().isdisjoint(DELIVERY_FIELDS):
        delivery = _delivery(delivery, own, path, evaluation)
    if content_type is None:
        content_type = default_type
    return Template(destination, content_type, headers, delivery)


def default_content_type(body: Body) -> str | None:
    """The content type of a body for which the author gave none."""
    if body.kind is BodyKind.NONE:
        return None
    is_json = body.kind is BodyKind.JSON or (body.file is not None and body.file.lower().endswith(".json"))
    return JSON_TYPE if is_json else TEXT_TYPE


def merge_headers(
    base: Mapping[str, Text], own: Mapping[str, str | None] | None, path: FieldPath, evaluation: Evaluation
) -> Mapping[str, Text]:
    """Headers of `own` over those of `base`, compared without regard to case; `own` gives the spelling."""
    if own is None:
        return {}
    given = evaluation.headers(own, path)
    hidden = {name.lower() for name in given}
    merged = {name: text for name, text in base.items() if name.lower() not in hidden}
    merged.update((name, text) for name, text in given.items() if text is not None)
    return merged


def body_of(own: Mapping[str, Any], path: FieldPath, evaluation: Evaluation, files: InputFiles) -> Body | None:
    """The body that `own` gives, if any."""
    if own.get("body") is not None:
        return evaluation.json(own["body"], (*path, "body"))
    if own.get("bodyText") is not None:
        return Body(BodyKind.TEXT, evaluation.text(own["bodyText"], (*path, "bodyText")))
    if own.get("bodyFile") is not None:
        try:
            name, content = files.read_body(evaluation.document.source.folder, own["bodyFile"])
        except FileProblem as error:
            evaluation.add((*path, "bodyFile"), error.code, error.message, error.hint)
            return NO_BODY
        return Body(BodyKind.FILE, content, name)
    return None if own.keys().isdisjoint(BODY_FIELDS) else NO_BODY


def _delivery(base: Delivery, own: Mapping[str, Any], path: FieldPath, evaluation: Evaluation) -> Delivery:
    changed: dict[str, Any] = {}
    for name, (attribute, normalise) in _DELIVERY.items():
        if name in own:
            value = own[name]
            changed[attribute] = None if value is None else normalise(value, (*path, name), evaluation)
    if "labels" in own and own["labels"] is None:
        changed["labels"] = ()
    if "failureHeaders" in own:
        changed["failure_headers"] = merge_headers(
            base.failure_headers, own["failureHeaders"], (*path, "failureHeaders"), evaluation
        )
    return replace(base, **changed)


def _time(value: object, path: FieldPath, evaluation: Evaluation) -> int:
    try:
        return unix_seconds(value)
    except ValueError as error:
        evaluation.add(path, "bad-time", str(error), "for example 2026-12-01T06:00:00Z")
        return 0


def _whole_seconds(value: object, path: FieldPath, evaluation: Evaluation) -> int:
    """A duration that the API carries, which takes whole seconds (`upstash/headers.py`)."""
    problem = fraction_problem(str(path[-1]), value, where="the API takes")
    if problem is not None:
        evaluation.add(path, problem.code, problem.message, problem.hint)
    return seconds(value)


def _flow_control(value: Mapping[str, Any], path: FieldPath, evaluation: Evaluation) -> FlowControl:
    period = value.get("period")
    return FlowControl(
        key=evaluation.text(value["key"], (*path, "key")),
        parallelism=_whole(value.get("parallelism")),
        rate=_whole(value.get("rate")),
        period_s=None if period is None else _whole_seconds(period, (*path, "period"), evaluation),
    )


def _whole(value: int | float | None) -> int | None:
    return None if value is None else int(value)  # JSON Schema's integer takes 5.0 as well


def _redact(value: Mapping[str, Any], _path: FieldPath, _evaluation: Evaluation) -> Redact | None:
    headers = value.get("headers", False)
    names = tuple(headers) if isinstance(headers, list) else cast("bool", headers)
    redact = Redact(body=value.get("body", False), headers=names or False)
    return None if redact == Redact() else redact


_DELIVERY: dict[str, tuple[str, Callable[[Any, FieldPath, Evaluation], object]]] = {
    "retries": ("retries", lambda value, _path, _evaluation: int(value)),
    "retryDelay": ("retry_delay", lambda value, _path, _evaluation: retry_delay(value)),
    "delay": ("delay_s", _whole_seconds),
    "notBefore": ("not_before_s", _time),
    "timeout": ("timeout_s", _whole_seconds),
    "labels": ("labels", lambda value, path, evaluation: evaluation.labels(value, path)),
    "flowControl": ("flow_control", _flow_control),
    "failureUrl": ("failure_url", lambda value, path, evaluation: evaluation.text(value, path, stand_in=STAND_IN_URL)),
    "redact": ("redact", _redact),
}
"""Field of a manifest: attribute of `Delivery`, and how the one becomes the other."""

DELIVERY_FIELDS = frozenset((*_DELIVERY, "failureHeaders"))
"""Fields of delivery: how a run gets to its destination."""
