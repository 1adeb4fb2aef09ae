"""What the state records of a request, however it is put together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.shared_values import copied
from wfdeploy.manifests.identify.describe import LARGE_BODY, describe, recorded
from wfdeploy.model.request import Body, BodyKind, Delivery, Redact, Request, SecretRef, SecretText, Template

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
