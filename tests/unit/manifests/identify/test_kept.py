"""What is remembered between runs changes nothing: the same fingerprints and fields as without."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tests.support.requests import request_of
from wfdeploy.manifests.identify import fingerprint as subject
from wfdeploy.manifests.identify.describe import secret_places
from wfdeploy.manifests.identify.digest import digest
from wfdeploy.manifests.identify.fingerprint import delivery_digest, fingerprint
from wfdeploy.manifests.identify.kept import MOST, Kept
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.request import Body, BodyKind, Delivery, Request, SecretRef, SecretText, Text
from wfdeploy.model.run import Identity

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
    first = [delivery_digest(Delivery(retries=n)) for n in range(2 * MOST)]
    again = [delivery_digest(Delivery(retries=n)) for n in range(2 * MOST)]
    assert first == again
    assert len(set(first)) == 2 * MOST


def test_shared_arguments_are_worked_out_once() -> None:
    calls: list[Mapping[str, str]] = []

    @Kept
    def size(headers: Mapping[str, str], more: str) -> int:
        calls.append(headers)
        return len(headers) + len(more)

    shared = {"a": "b"}
    assert [size(shared, "x"), size(shared, "x"), size(shared, "yy"), size({"a": "b"}, "x")] == [2, 2, 3, 2]
    assert len(calls) == 3
