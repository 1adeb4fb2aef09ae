"""A request as one JSON object of a batch ("Workflow REST reference: Batch Trigger Workflow Runs")."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.remote import Item
from wfdeploy.model.request import Body, BodyKind, BodyValue, Request, SecretText, Template, Text
from wfdeploy.upstash.headers import LABEL, ROWS, RUN_ID, Row, joined_labels, resolved

_text: Callable[[str], str] = json.encoder.encode_basestring  # as `JSONEncoder(ensure_ascii=False)` does

_OWN_ROWS = tuple(row for row in ROWS if not row.of_delivery)
_DELIVERY_ROWS = tuple(row for row in ROWS if row.of_delivery)


_CACHED = 256
"""The templates whose encoded parts are cached. Runs come group by group, so few are in use at a time."""


class ItemEncoder:
    """Encodes the runs of one project. Not thread-safe.

    `label`: the project's, which every item carries and by which its runs are listed. The runs of a group mostly share
    a template, so its encoded parts are cached.
    """

    def __init__(self, *, label: str, secrets: Mapping[str, str]) -> None:
        self._label = label
        self._secrets = secrets
        # By the identity of the template. The entry references it, so that no other object gets the same identity.
        self._cache: dict[int, tuple[str, str, Template]] = {}

    def encode(self, request: Request, workflow_run_id: str, label: str = "") -> Item:
        """One run of a batch. `label`: see `Encoder.encode`.

        Raises: `KeyError` with the name of a secret that has no value; `ValueError` for a body that JSON or UTF-8
        can't carry.
        """
        body = request.body
        before_id, after_id, _ = self._made(request.template, label) if label else self._parts(request.template)
        plain = body.plain()  # nearly every body is JSON without secrets
        text = body_text(body, self._secrets) if plain is None else plain.decode()
        tail = "}}" if text is None else f'}},"body":{_text(text)}}}'
        return Item(workflow_run_id, f"{before_id}{_text(workflow_run_id)}{after_id}{tail}".encode())

    def _parts(self, template: Template) -> tuple[str, str, Template]:
        """The text before the workflow run id, and the text between it and the body; cached."""
        parts = self._cache.get(id(template))
        if parts is None:
            parts = self._made(template)
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            self._cache[id(template)] = parts
        return parts

    def _made(self, template: Template, label: str = "") -> tuple[str, str, Template]:
        secrets = self._secrets
        destination = _text(resolved(template.destination, secrets))
        own = _members(_OWN_ROWS, template, secrets)
        own_labels = template.delivery.labels
        labels = joined_labels(self._label, (label, *own_labels) if label else own_labels)
        delivery = f",{_text(LABEL)}:{_text(labels)}{_members(_DELIVERY_ROWS, template, secrets)}"
        return f'{{"destination":{destination},"headers":{{"{RUN_ID}":', f"{own}{delivery}", template


def body_text(body: Body, secrets: Mapping[str, str]) -> str | None:
    """The payload as the endpoint receives it; None if the run declares none.

    Raises: `KeyError` and `ValueError` as `ItemEncoder.encode`.
    """
    match body.kind:
        case BodyKind.NONE:
            return None
        case BodyKind.JSON:
            return canonical_json(_resolved(body.value, secrets)).decode()
        case BodyKind.TEXT | BodyKind.FILE:
            return resolved(cast("Text", body.value), secrets)


def batch_bytes(items: Sequence[Item]) -> bytes:
    """The request body of a batch: a JSON array."""
    return b"[%b]" % b",".join([item.encoded for item in items])


def _members(rows: Sequence[Row], template: Template, secrets: Mapping[str, str]) -> str:
    """The headers of these rows as JSON members, each preceded by a comma."""
    pairs = [f",{_text(name)}:{_text(resolved(value, secrets))}" for row in rows for name, value in row.pairs(template)]
    return "".join(pairs)


def _resolved(value: BodyValue, secrets: Mapping[str, str]) -> Any:
    """The value with its secrets, made of `dict` and `list`."""
    if isinstance(value, SecretText):
        return value.resolve(secrets)
    if isinstance(value, Mapping):
        return {key: _resolved(inner, secrets) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_resolved(inner, secrets) for inner in value]
    return value
