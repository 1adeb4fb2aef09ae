"""How requests are described, recorded and compared; what is cached by identity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.requests import request_of
from tests.support.shared_values import copied
from wfdeploy.manifests.identify import fingerprint as subject
from wfdeploy.manifests.identify.describe import (
    LARGE_BODY,
    MAX_CACHED,
    CachedByIdentity,
    describe,
    recorded,
    secret_places,
)
from wfdeploy.manifests.identify.digest import digest
from wfdeploy.manifests.identify.fingerprint import delivery_digest, fingerprint
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.request import Body, BodyKind, Delivery, Redact, Request, SecretRef, SecretText, Template, Text
from wfdeploy.model.run import Identity

SECRET = SecretText(("Bearer ", SecretRef("TOKEN")))
KEY = b"k" * 32

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=8,
)
bodies = st.one_of(
    st.just(Body()),
    values.map(lambda value: Body(BodyKind.JSON, value)),
    st.text().map(lambda text: Body(BodyKind.TEXT, text)),
    st.just(Body(BodyKind.TEXT, SECRET)),
    st.integers(LARGE_BODY - 3, LARGE_BODY).map(lambda size: Body(BodyKind.JSON, "x" * size)),
)


@given(
    body=bodies,
    headers=copied(st.sampled_from([{}, {"X-A": "1"}, {"X-A": "1", "Authorization": SECRET}])),
    delivery=st.sampled_from(
        [Delivery(), Delivery(retries=3, labels=("a",)), Delivery(redact=Redact(body=True, headers=("x-a",)))]
    ),
    content_type=st.sampled_from([None, "application/json"]),
)
def test_the_text_for_the_state_holds_the_described_fields(
    body: Body, headers: dict[str, Any], delivery: Delivery, content_type: str | None
) -> None:
    request = Request(Template("https://a.example", content_type, headers, delivery), body)
    assert json.loads(recorded(request, KEY)) == json.loads(json.dumps(describe(request, KEY)))


@pytest.mark.parametrize("body", [Body(BodyKind.JSON, {"a": float("nan")}), Body(BodyKind.JSON, {"a": 2**53})])
def test_a_body_that_json_cannot_say_is_no_body(body: Body) -> None:
    with pytest.raises(ValueError, match=r"."):
        body.plain()


def test_a_body_with_a_secret_has_no_plain_form() -> None:
    assert Body(BodyKind.JSON, {"a": [SECRET]}).plain() is None
    assert Body(BodyKind.JSON, {"b": 1.0, "a": ("x",)}).plain() == b'{"a":["x"],"b":1}'
    assert Body(BodyKind.TEXT, "x").plain() is None


TEMPLATES = st.builds(lambda text: SecretText((text, SecretRef("TOKEN"))), st.text(max_size=3))
TEXTS: st.SearchStrategy[Text] = st.text(max_size=5) | TEMPLATES
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
BODIES = (
    st.just(Body())
    | st.builds(lambda value: Body(BodyKind.JSON, value), VALUES)
    | st.builds(lambda text: Body(BodyKind.TEXT, text), TEXTS)
)
REQUESTS = st.builds(
    lambda destination, content_type, headers, body: request_of(
        destination, content_type=content_type, headers=headers, body=body
    ),
    TEXTS,
    st.sampled_from((None, "application/json", "text/plain")),
    st.dictionaries(st.sampled_from(("X-A", "x-b", "Authorization")), TEXTS, max_size=2),
    BODIES,
)


@given(REQUESTS)
def test_the_short_way_gives_the_same_fingerprint(request: Request) -> None:
    whole = subject._fields_1(request, Identity(), secret_places(request))
    assert fingerprint(request, Identity()) == f"1:{digest(canonical_json(whole))}"


def test_equal_options_give_equal_digests_however_many_there_are() -> None:
    first = [delivery_digest(Delivery(retries=n)) for n in range(2 * MAX_CACHED)]
    again = [delivery_digest(Delivery(retries=n)) for n in range(2 * MAX_CACHED)]
    assert first == again
    assert len(set(first)) == 2 * MAX_CACHED


def test_shared_arguments_are_worked_out_once() -> None:
    calls: list[Mapping[str, str]] = []

    @CachedByIdentity
    def size(headers: Mapping[str, str], more: str) -> int:
        calls.append(headers)
        return len(headers) + len(more)

    shared = {"a": "b"}
    assert [size(shared, "x"), size(shared, "x"), size(shared, "yy"), size({"a": "b"}, "x")] == [2, 2, 3, 2]
    assert len(calls) == 3
