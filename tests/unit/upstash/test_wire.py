"""What a run looks like on the wire: every field, every header."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from scripts.docs_headers import PAGE, page
from tests.support.requests import request_of
from tests.support.shared_values import copied
from wfdeploy.model.remote import Item
from wfdeploy.model.request import (
    Body,
    BodyKind,
    Delivery,
    FlowControl,
    Redact,
    Request,
    SecretRef,
    SecretText,
    Template,
)
from wfdeploy.upstash.headers import LABEL, ROWS, RUN_ID
from wfdeploy.upstash.wire import _CACHED, ItemEncoder, batch_bytes, body_text

SECRETS = {"TOKEN": 's3"cr\\et', "KEY": "k-1", "HOST": "ops.example.com"}
BEARER = SecretText(("Bearer ", SecretRef("TOKEN")))

FULL = request_of(
    "https://app.example.com/api/workflow/onboard?a=1",
    content_type="application/json",
    headers={"X-Team": "growth", "Authorization": BEARER},
    body=Body(BodyKind.JSON, {"tenant": "acme", "seats": 12}),
    retries=5,
    retry_delay="pow(2, retried) * 1000",
    delay_s=90,
    not_before_s=1_796_104_800,
    timeout_s=30,
    labels=("onboarding", "beta"),
    flow_control=FlowControl(key=SecretText((SecretRef("KEY"),)), parallelism=10, rate=100, period_s=60),
    failure_url=SecretText(("https://", SecretRef("HOST"), "/failed")),
    failure_headers={"X-Team": "growth", "Authorization": BEARER},
    redact=Redact(body=True, headers=("Authorization", "X-Team")),
)

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


def wire(request: Request, **more: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"workflow_run_id": "wfr_1", "label": "wfdeploy.p.e", "secrets": SECRETS, **more}
    run_id = arguments.pop("workflow_run_id")
    item = ItemEncoder(**arguments).encode(request, run_id)
    assert item.workflow_run_id == run_id
    value = json.loads(item.encoded)
    assert isinstance(value, dict)
    return value


def test_every_row_of_the_table_has_an_example_here() -> None:
    assert [row.field for row in ROWS] == list(FIELDS)


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_becomes_its_header(field: str) -> None:
    request, expected = FIELDS[field]
    assert wire(request) == {
        "destination": "d",
        "headers": {RUN_ID: "wfr_1", LABEL: "wfdeploy.p.e", **expected},
    }


def test_everything_at_once() -> None:
    assert wire(FULL) == {
        "destination": "https://app.example.com/api/workflow/onboard?a=1",
        "headers": {
            "Upstash-Workflow-RunId": "wfr_1",
            "Upstash-Label": "wfdeploy.p.e,onboarding,beta",
            "Content-Type": "application/json",
            "Upstash-Forward-X-Team": "growth",
            "Upstash-Forward-Authorization": 'Bearer s3"cr\\et',
            "Upstash-Retries": "5",
            "Upstash-Retry-Delay": "pow(2, retried) * 1000",
            "Upstash-Delay": "90s",
            "Upstash-Not-Before": "1796104800",
            "Upstash-Timeout": "30s",
            "Upstash-Flow-Control-Key": "k-1",
            "Upstash-Flow-Control-Value": "parallelism=10, rate=100, period=60s",
            "Upstash-Failure-Callback": "https://ops.example.com/failed",
            "Upstash-Failure-Callback-Forward-X-Team": "growth",
            "Upstash-Failure-Callback-Forward-Authorization": 'Bearer s3"cr\\et',
            "Upstash-Redact-Fields": "body,header[Authorization],header[X-Team]",
        },
        "body": '{"seats":12,"tenant":"acme"}',
    }


def test_all_headers_can_be_redacted() -> None:
    headers = wire(request_of("d", redact=Redact(headers=True)))["headers"]
    assert headers["Upstash-Redact-Fields"] == "header"
    assert "Upstash-Redact-Fields" not in wire(request_of("d", redact=Redact()))["headers"]


def test_the_project_label_is_there_once_and_first() -> None:
    request = request_of("d", labels=("b", "wfdeploy.p.e", "a", "b"))
    assert wire(request)["headers"][LABEL] == "wfdeploy.p.e,b,a"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (Body(), None),
        (Body(BodyKind.JSON, None), "null"),
        (Body(BodyKind.JSON, ""), '""'),
        (Body(BodyKind.JSON, {"b": [1, 1.0, 1e21, True], "a": "ü€😀\n"}), '{"a":"ü€😀\\n","b":[1,1,1e+21,true]}'),
        (Body(BodyKind.JSON, {"auth": BEARER, "n": ({"x": BEARER},)}), None),
        (Body(BodyKind.TEXT, "a\nb\t\u2028"), "a\nb\t\u2028"),
        (Body(BodyKind.TEXT, ""), ""),
        (Body(BodyKind.TEXT, BEARER), 'Bearer s3"cr\\et'),
        (Body(BodyKind.FILE, '{"as": "it is"}\r\n', "payloads/x.json"), '{"as": "it is"}\r\n'),
    ],
)
def test_bodies(body: Body, sent: str | None) -> None:
    value = wire(request_of("d", body=body))
    if body.kind is BodyKind.NONE:
        assert "body" not in value
    elif sent is None:
        resolved = 'Bearer s3"cr\\et'
        assert json.loads(value["body"]) == {"auth": resolved, "n": [{"x": resolved}]}
    else:
        assert value["body"] == sent


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, -(2**53), {"a": [2**53]}, "\ud800", {"\ud800": 1}]
)
def test_what_canonical_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the words, never bytes
        ItemEncoder(label="l", secrets={}).encode(request_of("d", body=Body(BodyKind.JSON, value)), "w")


def test_a_missing_secret_is_named() -> None:
    with pytest.raises(KeyError, match="TOKEN"):
        ItemEncoder(label="l", secrets={"KEY": "", "HOST": ""}).encode(FULL, "w")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_structured_bodies_are_in_rfc_8785_form(value: Any) -> None:
    assert body_text(Body(BodyKind.JSON, value), {}) == rfc8785.dumps(value).decode()


@given(st.text(), st.text(), st.dictionaries(st.text(min_size=1), st.text(), max_size=3), st.text())
def test_any_text_survives_the_wire(destination: str, run_id: str, headers: dict[str, str], body: str) -> None:
    request = request_of(destination, headers=headers, body=Body(BodyKind.TEXT, body))
    value = wire(request, workflow_run_id=run_id)
    assert value["destination"] == destination
    assert value["body"] == body
    assert value["headers"] == {
        RUN_ID: run_id,
        LABEL: "wfdeploy.p.e",
        **{f"Upstash-Forward-{name}": text for name, text in headers.items()},
    }


HEADERS: list[Any] = [{}, {"X-A": "1"}, {"X-A": BEARER}]
BODIES = [
    Body(),
    Body(BodyKind.JSON, None),
    Body(BodyKind.JSON, {"b": "\u00e4", "a": [1]}),
    Body(BodyKind.JSON, {"k": BEARER}),
    Body(BodyKind.TEXT, "as it is"),
    Body(BodyKind.FILE, BEARER, "b.txt"),
]
templates = st.lists(
    st.builds(
        Template,
        destination=st.sampled_from(["d", "e", SecretText(("https://", SecretRef("HOST")))]),
        content_type=st.sampled_from([None, "text/csv"]),
        headers=copied(st.sampled_from(HEADERS)),
        delivery=st.sampled_from([FULL.template.delivery, Delivery(), Delivery(retries=1), Delivery(labels=("x",))]),
    ),
    min_size=1,
    max_size=3,
)


@given(templates.flatmap(lambda some: st.lists(st.builds(Request, st.sampled_from(some), st.sampled_from(BODIES)))))
def test_an_encoder_that_remembers_gives_what_a_fresh_one_gives(sequence: list[Request]) -> None:
    encoder = ItemEncoder(label="l", secrets=SECRETS)
    for n, request in enumerate(sequence):
        fresh = ItemEncoder(label="l", secrets=SECRETS).encode(request, f"w{n}")
        assert encoder.encode(request, f"w{n}") == fresh
        own = encoder.encode(request, f"w{n}", "own")  # the derived id of a run to which its author gave another one
        labels = json.loads(fresh.encoded)["headers"][LABEL].split(",")
        assert json.loads(own.encoded)["headers"][LABEL].split(",") == [labels[0], "own", *labels[1:]]


def test_a_new_template_is_never_taken_for_one_that_is_gone() -> None:
    encoder = ItemEncoder(label="l", secrets={})
    for n in range(3 * _CACHED):
        item = encoder.encode(request_of("d", headers={"X-A": str(n)}), "w")  # nobody else holds it: its id is free
        assert json.loads(item.encoded)["headers"]["Upstash-Forward-X-A"] == str(n)


def test_a_request_that_fails_is_not_half_remembered() -> None:
    encoder = ItemEncoder(label="l", secrets={})
    missing = request_of("other", headers={"X-A": BEARER}, retries=1)
    for request in (request_of("d"), missing, request_of("d")):
        if request is missing:
            with pytest.raises(KeyError):
                encoder.encode(request, "w")
        else:
            assert encoder.encode(request, "w") == ItemEncoder(label="l", secrets={}).encode(request, "w")


def test_a_batch_is_a_json_array() -> None:
    assert batch_bytes([]) == b"[]"
    assert batch_bytes([Item("a", b"{}"), Item("b", b'{"x":1}')]) == b'[{},{"x":1}]'


def test_the_page_of_headers_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python scripts/docs_headers.py"
