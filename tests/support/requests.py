"""Requests in few words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wfdeploy.model.request import NO_BODY, Body, Delivery, Request, Template, Text


def request_of(
    destination: Text = "https://app.example.com/wf",
    *,
    content_type: str | None = None,
    headers: Mapping[str, Text] | None = None,
    body: Body = NO_BODY,
    **delivery: Any,
) -> Request:
    """A request with a template of its own. `delivery`: fields of a `Delivery`."""
    return Request(Template(destination, content_type, headers or {}, Delivery(**delivery)), body)


def changed(request: Request, **fields: Any) -> Request:
    """A request with other fields of its template (`delivery` too), or with another `body`."""
    body = fields.pop("body", request.body)
    return Request(replace(request.template, **fields) if fields else request.template, body)
