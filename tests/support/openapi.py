"""Every answer of the embedded server is held to its OpenAPI document, whatever the test is about."""

from __future__ import annotations

import functools
import re
from typing import Any

import httpx
import jsonschema_rs

from wfdeploy.localserver.api.routes import AREAS, document


@functools.cache
def _documented() -> dict[str, Any]:
    return document()


@functools.cache
def _paths() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Each path as it is routed, in the router's order."""
    found = []
    for area in AREAS:
        for operation in area.operations:
            pattern = re.sub(r"\{\w+\}", "[^/]+", re.sub(r"\{\w+:path\}", ".+", operation.path))
            found.append((re.compile(pattern), operation.public_path))
    return tuple(found)


@functools.cache
def _validator(path: str, method: str, status: str) -> jsonschema_rs.Draft202012Validator | None:
    """None: the answer has no body. Raises: AssertionError when the document has no such answer."""
    answers = _documented()["paths"][path][method]["responses"]
    assert status in answers, f"{method} {path}: {status} is not documented"
    content = answers[status].get("content")
    if content is None:
        return None
    schema = content["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator({**schema, "components": _documented()["components"]})


def hold_to_document(response: httpx.Response) -> None:
    """For an httpx client's event hooks. Raises: AssertionError."""
    sent = response.request.url.raw_path.decode().partition("?")[0]
    if sent == "/" or sent.startswith("/-/"):
        return  # the page's own, which is no API
    path = next((public for pattern, public in _paths() if pattern.fullmatch(sent)), None)
    method = response.request.method.lower()
    if path is None or method not in _documented()["paths"][path]:
        assert response.status_code in (401, 403, 404, 405)
        return
    validator = _validator(path, method, str(response.status_code))
    text = response.read()
    if validator is None or method == "head":
        assert text == b""
        return
    assert response.headers["Content-Type"] == "application/json"
    problems = [f"{list(each.instance_path)}: {each.message}" for each in validator.iter_errors(response.json())]
    assert problems == [], (method, path, problems[:3], text[:500])
