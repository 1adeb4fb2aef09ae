"""The server's OpenAPI document: it says what there is, and there is what it says."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api
from wfdeploy.localserver.api.routes import AREAS

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


@pytest.fixture
def document(server: LocalServer) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/openapi.json", trust_env=False)  # nobody needs a token for it
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def test_every_route_is_documented_and_every_documented_one_exists(document: dict[str, Any], api: Api) -> None:
    documented = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert documented == {(each.method.lower(), each.public_path) for area in AREAS for each in area.operations}
    for path, methods in document["paths"].items():
        concrete = re.sub(r"\{url\}", "http://127.0.0.1:9/x", path)
        concrete = re.sub(r"\{\w+\}", "x", concrete)
        refused = api.http.request("TRACE", concrete)
        assert refused.status_code == 405
        assert set(refused.headers["Allow"].lower().split(", ")) == set(methods)
        for method in methods:
            assert api.http.request(method.upper(), concrete).status_code not in (405, 501)


def test_what_is_not_there_is_not_found(api: Api) -> None:
    for path in ("/v2", "/v2/workflows/dlq/", "/v2/waiters/", "/v2/schedules"):
        assert (api.http.get(path).status_code, path) == (404, path)


def test_schemas_are_schemas(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    # Every reference leads somewhere, and no shape is left over.
    referred = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert referred == set(document["components"]["schemas"])


def test_operations_have_ids_of_their_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids)
    links = [
        link["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert links
    assert set(links) <= set(ids)
    for path, methods in document["paths"].items():
        named = set(re.findall(r"\{(\w+)\}", path))
        for operation in methods.values():
            said = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
            assert (path, said) == (path, named)


def test_read_only_token_looks_and_changes_nothing(api: Api, server: LocalServer) -> None:
    server.faults.hold_deliveries = True
    api.trigger("wfr_a")
    token = {"Authorization": f"Bearer {server.tenant.read_only_token}"}
    http = httpx.Client(base_url=server.url, headers=token, trust_env=False)
    with http:
        for area in AREAS:
            for operation in area.operations:
                if operation.is_open:
                    continue
                path = re.sub(r"\{\w+(:path)?\}", "x", operation.path.replace("{url:path}", "http://127.0.0.1:9/x"))
                answer = http.request(operation.method, path)
                assert (answer.status_code == 403) is not operation.reads_only, (operation.method, path, answer.text)
        assert [run["workflowRunId"] for run in http.get("/v2/workflows/logs").json()["runs"]] == ["wfr_a"]
    assert api.state("wfr_a") == "RUN_STARTED"
