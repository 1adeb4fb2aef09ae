"""A request as one JSON object of a batch ("Workflow REST reference: Batch Trigger Workflow Runs")."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.remote import Item
from wfdeploy.model.request import Body, BodyKind, BodyValue, Request, Template, Text
from wfdeploy.upstash.headers import LABEL, ROWS, RUN_ID, Row, joined_labels, resolved

_text: Callable[[str], str] = json.encoder.encode_basestring  # what `JSONEncoder(ensure_ascii=False)` uses for text

_OWN_ROWS = tuple(row for row in ROWS if not row.of_delivery)
_DELIVERY_ROWS = tuple(row for row in ROWS if row.of_delivery)


class ItemEncoder:
    """Encodes the runs of one project. Not for use from several threads at once.

    `label` is the project's, by which its runs are listed again; every item carries it. The runs that a generator
    makes share most of what they are made of, so what each part of the last request came to is kept.
    """

    def __init__(self, *, label: str, secrets: Mapping[str, str]) -> None:
        self._label = label
        self._secrets = secrets
        self._last: Request | None = None
        self._destination = self._own = self._delivery = self._before_id = self._after_id = ""

    def encode(self, request: Request, workflow_run_id: str) -> Item:
        """One run of a batch.

        Raises: `KeyError` with the name of a secret that has no value; `ValueError` for a body that JSON or UTF-8
        can't carry.
        """
        self._remember(request)
        body = body_text(request.body, self._secrets)
        tail = "}}" if body is None else f'}},"body":{_text(body)}}}'
        return Item(workflow_run_id, f"{self._before_id}{_text(workflow_run_id)}{self._after_id}{tail}".encode())

    def _remember(self, request: Request) -> None:
        """Bring the parts up to date with this request. Those that are the same object (or text) stay as they are."""
        last, secrets = self._last, self._secrets
        if (
            last is not None
            and request.delivery is last.delivery
            and request.headers is last.headers
            and request.destination is last.destination
            and request.content_type is last.content_type
        ):
            return
        self._last = None  # a part that can't be made leaves nothing half remembered
        if last is None or request.destination != last.destination:
            self._destination = _text(resolved(request.destination, secrets))
        if last is None or request.content_type != last.content_type or request.headers is not last.headers:
            self._own = _members(_OWN_ROWS, request, secrets)
        if last is None or request.delivery is not last.delivery:
            labels = joined_labels(self._label, request.delivery.labels)
            self._delivery = f",{_text(LABEL)}:{_text(labels)}{_members(_DELIVERY_ROWS, request, secrets)}"
        self._before_id = f'{{"destination":{self._destination},"headers":{{"{RUN_ID}":'
        self._after_id = f"{self._own}{self._delivery}"
        self._last = request


def encode_item(request: Request, *, workflow_run_id: str, label: str, secrets: Mapping[str, str]) -> Item:
    """One run alone; `ItemEncoder` is for many. Raises: as `ItemEncoder.encode`."""
    return ItemEncoder(label=label, secrets=secrets).encode(request, workflow_run_id)


def body_text(body: Body, secrets: Mapping[str, str]) -> str | None:
    """The payload as the endpoint gets it, None where the run declares none.

    Raises: `KeyError` and `ValueError` as `ItemEncoder.encode`.
    """
    match body.kind:
        case BodyKind.NONE:
            return None
        case BodyKind.JSON:
            plain = body.plain()
            return (canonical_json(_resolved(body.value, secrets)) if plain is None else plain).decode()
        case BodyKind.TEXT | BodyKind.FILE:
            return resolved(cast("Text", body.value), secrets)


def batch_bytes(items: Iterable[Item]) -> bytes:
    """The request body of a batch: a JSON array."""
    return b"[" + b",".join([item.encoded for item in items]) + b"]"


def _members(rows: Sequence[Row], request: Request, secrets: Mapping[str, str]) -> str:
    """The headers of these rows as JSON members, each after a comma."""
    pairs = [f",{_text(name)}:{_text(resolved(value, secrets))}" for row in rows for name, value in row.pairs(request)]
    return "".join(pairs)


def _resolved(value: BodyValue, secrets: Mapping[str, str]) -> Any:
    """The value with secrets put in, made of `dict` and `list`."""
    if isinstance(value, Template):
        return value.resolve(secrets)
    if isinstance(value, Mapping):
        return {key: _resolved(inner, secrets) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_resolved(inner, secrets) for inner in value]
    return value
