"""What a run looks like on the wire: everything at once, bodies, and an encoder that remembers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tests.support.requests import request_of
from tests.support.shared_values import copied
from tests.unit.upstash.encoded import BEARER, FULL, SECRETS, wire
from wfdeploy.model.remote import Item
from wfdeploy.model.request import (
    Body,
    BodyKind,
    Delivery,
    Request,
    SecretRef,
    SecretText,
    Template,
)
from wfdeploy.upstash.headers import LABEL, RUN_ID
from wfdeploy.upstash.wire import _CACHED, ItemEncoder, batch_bytes, body_text


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
