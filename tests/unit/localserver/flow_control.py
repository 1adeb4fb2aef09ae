"""Runs with flow-control keys: their headers, their order, what the server says of a key."""

from __future__ import annotations

import threading
from typing import Any

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint


def keyed(key: str, value: str) -> dict[str, str]:
    return {"Upstash_Flow_Control_Key": key, "Upstash_Flow_Control_Value": value, "Upstash_Forward_X_Key": key}


def names(prefix: str, count: int) -> list[str]:
    return [f"wfr_{prefix}{number}" for number in range(count)]


def info(api: Api, key: str) -> dict[str, Any]:
    view: dict[str, Any] = api.http.get(f"/v2/flowControl/{key}").json()
    return view


def order(endpoint: Endpoint) -> list[str]:
    return [request.headers["upstash-workflow-runid"] for request in endpoint.requests]


def arrived(server: LocalServer, endpoint: Endpoint, count: int) -> None:
    for _ in range(2000):
        if len(endpoint.requests) >= count:
            return
        threading.Event().wait(0.005)
    raise AssertionError(f"only {len(endpoint.requests)} requests arrived")
