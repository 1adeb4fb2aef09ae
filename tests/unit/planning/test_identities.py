"""Field by field."""

from __future__ import annotations

import json

import hypothesis.strategies as st
from hypothesis import given

from wfdeploy.model.plan import ABSENT, FieldChange
from wfdeploy.planning.identities import compare_fields

values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
requests = st.dictionaries(st.sampled_from(["body", "headers", "retries"]), values)


@given(requests)
def test_equal_requests_differ_in_nothing(request: dict[str, object]) -> None:
    assert compare_fields(json.dumps(request), request) == ()


@given(requests, requests)
def test_different_requests_differ_somewhere(old: dict[str, object], new: dict[str, object]) -> None:
    changes = compare_fields(json.dumps(old), new)
    assert bool(changes) == (json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True))
    assert [change.path for change in changes] == list(dict.fromkeys(change.path for change in changes))


def test_paths_go_to_the_leaf() -> None:
    old = {"body": {"items": [{"sku": 1}, {"sku": 2}]}, "headers": {"x-a": "1"}}
    new = {"body": {"items": [{"sku": 1}, {"sku": 3}]}, "retries": 2}
    assert compare_fields(json.dumps(old), new) == (
        FieldChange("body.items[1].sku", 2, 3),
        FieldChange("headers", {"x-a": "1"}, ABSENT),
        FieldChange("retries", ABSENT, 2),
    )


def test_true_is_not_one() -> None:
    assert compare_fields('{"body":{"a":true}}', {"body": {"a": 1}}) == (FieldChange("body.a", True, 1),)


def test_an_unknown_request_tells_nothing() -> None:
    assert compare_fields("", {"body": 1}) == ()
