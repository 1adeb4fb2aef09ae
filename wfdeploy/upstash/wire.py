"""A request as one JSON object of a batch ("Workflow REST reference: Batch Trigger Workflow Runs")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from wfdeploy.model.remote import Item
from wfdeploy.model.request import Body, BodyKind, Request, Text
from wfdeploy.upstash.headers import LABEL, ROWS, RUN_ID, joined_labels, resolved
from wfdeploy.upstash.jcs import canonical

_text = json.JSONEncoder(ensure_ascii=False).encode


def encode_item(request: Request, *, workflow_run_id: str, label: str, secrets: Mapping[str, str]) -> Item:
    """One run of a batch. `label` is the project's, by which its runs are listed again; every item carries it.

    Raises: `KeyError` with the name of a secret that has no value; `ValueError` for a body that JSON or UTF-8
    can't carry.
    """
    headers = {RUN_ID: workflow_run_id, LABEL: joined_labels(label, request.delivery.labels)}
    for row in ROWS:
        for name, value in row.pairs(request):
            headers[name] = resolved(value, secrets)
    body = body_text(request.body, secrets)
    tail = "" if body is None else f',"body":{_text(body)}'
    pairs = ",".join(f"{_text(name)}:{_text(value)}" for name, value in headers.items())
    destination = _text(resolved(request.destination, secrets))
    return Item(workflow_run_id, f'{{"destination":{destination},"headers":{{{pairs}}}{tail}}}'.encode())


def body_text(body: Body, secrets: Mapping[str, str]) -> str | None:
    """The payload as the endpoint gets it, None where the run declares none.

    Raises: `KeyError` and `ValueError` as `encode_item`.
    """
    match body.kind:
        case BodyKind.NONE:
            return None
        case BodyKind.JSON:
            return canonical(body.value, secrets)
        case BodyKind.TEXT | BodyKind.FILE:
            return resolved(cast("Text", body.value), secrets)


def batch_bytes(items: Sequence[Item]) -> bytes:
    """The request body of a batch: a JSON array."""
    return b"[" + b",".join([item.encoded for item in items]) + b"]"
