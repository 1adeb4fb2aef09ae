"""Requests: what a body is, however its value is kept."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any, cast

import hypothesis.strategies as st
import pytest
from hypothesis import given

from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.request import NO_BODY, Body, BodyKind, BodyValue, SecretRef, SecretText, has_secret_text

SECRET = SecretText(("Bearer ", SecretRef("TOKEN")))

plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
values = st.recursive(
    plain_values | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def exactly(value: Any) -> str:
    """Tells values of different types apart, and not the order of keys."""
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{key!r}: {exactly(item)}' for key, item in value.items()))}}}"
    return f"[{', '.join(map(exactly, value))}]" if isinstance(value, list) else repr(value)


@given(values)
def test_a_body_gives_its_value_back(value: Any) -> None:
    body = Body(BodyKind.JSON, copy.deepcopy(value))
    for _ in range(2):
        assert exactly(body.value) == exactly(value)
        body.plain()  # which is remembered


@given(plain_values)
def test_its_plain_form_is_the_canonical_one(value: Any) -> None:
    assert Body(BodyKind.JSON, value).plain() == canonical_json(value)


@given(values)
def test_a_body_with_a_secret_has_no_plain_form(value: Any) -> None:
    body = Body(BodyKind.JSON, value)
    assert has_secret_text(body.value) is has_secret_text(value) is (body.plain() is None)


@pytest.mark.parametrize("kind", [BodyKind.TEXT, BodyKind.FILE, BodyKind.NONE])
@pytest.mark.parametrize("value", ["", '{"b": 1,  "a": 1}', SECRET, None])
def test_only_json_has_a_plain_form(kind: BodyKind, value: Any) -> None:
    body = Body(kind, value)
    assert body.value == value
    assert body.plain() is None


def test_null_is_a_body_and_no_body_is_none() -> None:
    null = Body(BodyKind.JSON, None)
    assert (null.value, null.plain()) == (None, b"null")
    assert (NO_BODY.value, NO_BODY.plain(), NO_BODY.kind) == (None, None, BodyKind.NONE)
    assert null != NO_BODY
    assert Body() == NO_BODY


def test_equal_values_are_equal_bodies_whatever_the_order_of_keys() -> None:
    assert Body(BodyKind.JSON, {"a": 1, "b": [1.5]}) == Body(BodyKind.JSON, {"b": [1.5], "a": 1})
    assert Body(BodyKind.JSON, {"a": 1.0, "b": SECRET}) == Body(BodyKind.JSON, {"b": SECRET, "a": 1.0})
    assert Body(BodyKind.JSON, {"a": [1, 2]}) != Body(BodyKind.JSON, {"a": [2, 1]})
    assert Body(BodyKind.JSON, {"a": SECRET}) != Body(BodyKind.JSON, {"a": str(SECRET)})
    assert Body(BodyKind.JSON, "x") != Body(BodyKind.TEXT, "x")
    assert Body(BodyKind.FILE, "x", "a.txt") != Body(BodyKind.FILE, "x", "b.txt")
    assert Body(BodyKind.JSON, 1) != 1


def test_a_body_is_made_of_its_text_again() -> None:
    value: BodyValue = {"b": [1.5, {"d": None, "c": "1e5"}], "a": True}
    body = Body(BodyKind.JSON, value)
    assert body.value is value  # as its author wrote it, in that order
    assert body.text is not None
    again = Body.of_text(body.text)
    assert list(cast("dict[str, object]", again.value)) == ["a", "b"]
    assert (again, again.plain(), again.text) == (body, body.plain(), body.text)
    assert Body(BodyKind.JSON).text == b"null"
    assert Body.of_text(b"null") == Body(BodyKind.JSON)
    for odd in (Body(BodyKind.JSON, 1.0), Body(BodyKind.JSON, SECRET), Body(BodyKind.TEXT, "x"), Body()):
        assert odd.text is None


@given(values, st.sampled_from(BodyKind))
def test_it_can_be_written_to_a_file_and_read_again(value: Any, kind: BodyKind) -> None:
    body = Body(kind, value, "a.txt")
    again = pickle.loads(pickle.dumps(body))
    assert again == body
    assert again.plain() == body.plain()


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, "\ud800", {"\ud800": 1}])
def test_what_json_cannot_say_is_kept_for_those_who_tell_of_it(value: Any) -> None:
    body = Body(BodyKind.JSON, {"a": [value]})
    assert repr(body.value) == repr({"a": [value]})
    with pytest.raises(ValueError, match=r"."):
        body.plain()
