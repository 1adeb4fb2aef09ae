"""Which header a field becomes."""

from __future__ import annotations

import pytest

from scripts.docs_headers import PAGE, page
from tests.support.requests import request_of
from tests.unit.upstash.encoded import BEARER, wire
from wfdeploy.model.request import (
    FlowControl,
    Redact,
    Request,
)
from wfdeploy.upstash.headers import LABEL, ROWS, RUN_ID

# Field by field: what is declared, and the headers that come of it.
FIELDS: dict[str, tuple[Request, dict[str, str]]] = {
    "contentType": (request_of("d", content_type="text/csv"), {"Content-Type": "text/csv"}),
    "headers": (
        request_of("d", headers={"X-A": "1", "Authorization": BEARER}),
        {"Upstash-Forward-X-A": "1", "Upstash-Forward-Authorization": 'Bearer s3"cr\\et'},
    ),
    "retries": (request_of("d", retries=0), {"Upstash-Retries": "0"}),
    "retryDelay": (request_of("d", retry_delay="1000"), {"Upstash-Retry-Delay": "1000"}),
    "delay": (request_of("d", delay_s=90), {"Upstash-Delay": "90s"}),
    "notBefore": (
        request_of("d", not_before_s=1_796_104_800),
        {"Upstash-Not-Before": "1796104800"},
    ),
    "timeout": (request_of("d", timeout_s=3600), {"Upstash-Timeout": "3600s"}),
    "flowControl.key": (
        request_of("d", flow_control=FlowControl(key="k", rate=5)),
        {"Upstash-Flow-Control-Key": "k", "Upstash-Flow-Control-Value": "rate=5"},
    ),
    "flowControl": (
        request_of("d", flow_control=FlowControl("k", parallelism=2, rate=5, period_s=60)),
        {"Upstash-Flow-Control-Key": "k", "Upstash-Flow-Control-Value": "parallelism=2, rate=5, period=60s"},
    ),
    "failureUrl": (
        request_of("d", failure_url="https://ops"),
        {"Upstash-Failure-Callback": "https://ops"},
    ),
    "failureHeaders": (
        request_of("d", failure_headers={"X-A": "1"}),
        {"Upstash-Failure-Callback-Forward-X-A": "1"},
    ),
    "redact": (
        request_of("d", redact=Redact(body=True, headers=("A", "B"))),
        {"Upstash-Redact-Fields": "body,header[A],header[B]"},
    ),
}


def test_every_row_of_the_table_has_an_example_here() -> None:
    assert [row.field for row in ROWS] == list(FIELDS)


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_becomes_its_header(field: str) -> None:
    request, expected = FIELDS[field]
    assert wire(request) == {
        "destination": "d",
        "headers": {RUN_ID: "wfr_1", LABEL: "wfdeploy.p.e", **expected},
    }


def test_all_headers_can_be_redacted() -> None:
    headers = wire(request_of("d", redact=Redact(headers=True)))["headers"]
    assert headers["Upstash-Redact-Fields"] == "header"
    assert "Upstash-Redact-Fields" not in wire(request_of("d", redact=Redact()))["headers"]


def test_the_project_label_is_there_once_and_first() -> None:
    request = request_of("d", labels=("b", "wfdeploy.p.e", "a", "b"))
    assert wire(request)["headers"][LABEL] == "wfdeploy.p.e,b,a"


def test_the_page_of_headers_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python scripts/docs_headers.py"
