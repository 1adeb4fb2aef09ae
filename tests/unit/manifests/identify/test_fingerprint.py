"""What moves a fingerprint, and what must not."""

from __future__ import annotations

import pytest

from tests.support.requests import changed, request_of
from wfdeploy.manifests.identify.describe import describe, secret_names
from wfdeploy.manifests.identify.fingerprint import delivery_digest, fingerprint, fingerprint_as, version_of
from wfdeploy.model.request import Body, BodyKind, Delivery, FlowControl, Redact, Request, SecretRef, SecretText
from wfdeploy.model.run import Identity

ANY = Identity()
BASE = request_of(
    "https://app.example.com/wf",
    content_type="application/json",
    headers={"X-Team": "growth"},
    body=Body(BodyKind.JSON, {"a": 1, "b": [True, None, "x"]}),
)
SECRET = SecretText(("Bearer ", SecretRef("TOKEN")))


def of(request: Request, identity: Identity = ANY) -> str:
    return fingerprint(request, identity)


def test_it_is_fixed_for_good() -> None:
    """A released version never changes: this text stands for every state that was ever written."""
    assert of(BASE) == "1:eqvow54p7prc6k6zowthp4ptdb"


@pytest.mark.parametrize(
    "other",
    [
        changed(BASE, destination="https://app.example.com/other"),
        changed(BASE, content_type="text/plain"),
        changed(BASE, headers={"X-Team": "sales"}),
        changed(BASE, headers={}),
        changed(BASE, headers={"X-Team": "growth", "X-More": ""}),
        changed(BASE, body=Body(BodyKind.JSON, {"a": 2, "b": [True, None, "x"]})),
        changed(BASE, body=Body(BodyKind.JSON, {"a": 1, "b": [True, "x", None]})),
        changed(BASE, body=Body(BodyKind.JSON, {"a": "1", "b": [True, None, "x"]})),
        changed(BASE, body=Body()),
    ],
)
def test_what_a_run_does_moves_it(other: Request) -> None:
    assert of(other) != of(BASE)


@pytest.mark.parametrize(
    "other",
    [
        changed(BASE, headers={"x-team": "growth"}),
        changed(BASE, body=Body(BodyKind.JSON, {"b": [True, None, "x"], "a": 1})),
        changed(BASE, body=Body(BodyKind.TEXT, '{"a":1,"b":[true,null,"x"]}')),
        changed(BASE, body=Body(BodyKind.FILE, '{"a":1,"b":[true,null,"x"]}', file="b.json")),
        changed(
            BASE,
            delivery=Delivery(
                retries=9,
                delay_s=3,
                labels=("l",),
                flow_control=FlowControl("k", parallelism=1),
                failure_url="https://x.example",
                redact=Redact(body=True),
                timeout_s=4,
            ),
        ),
    ],
)
def test_the_same_bytes_and_other_ways_of_delivery_do_not(other: Request) -> None:
    assert of(other) == of(BASE)


def test_a_secret_takes_part_by_name_and_is_not_its_own_text() -> None:
    secret = changed(BASE, headers={"Authorization": SECRET})
    literal = changed(BASE, headers={"Authorization": str(SECRET)})
    renamed = changed(BASE, headers={"Authorization": SecretText(("Bearer ", SecretRef("OTHER")))})
    assert len({of(secret), of(literal), of(renamed)}) == 3
    in_body = changed(BASE, body=Body(BodyKind.JSON, {"k": SECRET}))
    as_text = changed(BASE, body=Body(BodyKind.JSON, {"k": str(SECRET)}))
    assert of(in_body) != of(as_text)
    assert secret_names(secret) == secret_names(in_body) == {"TOKEN"}


def test_identity_widens_and_narrows() -> None:
    labelled = changed(BASE, delivery=Delivery(labels=("a",)))
    wide = Identity(include=("labels",))
    assert of(labelled, wide) != of(BASE, wide)
    narrow = Identity(exclude=("headers.X-Team", "contentType"))
    assert of(changed(BASE, headers={"X-Team": "sales"}, content_type="text/plain"), narrow) == of(BASE, narrow)
    assert of(changed(BASE, headers={"X-Team": "growth", "X-New": "1"}), narrow) != of(BASE, narrow)


def test_delivery_has_a_digest_of_its_own() -> None:
    assert delivery_digest(Delivery(labels=("a",))) == delivery_digest(Delivery(labels=("a",)))
    digests = [delivery_digest(delivery) for delivery in (Delivery(), Delivery(retries=0), Delivery(delay_s=0))]
    assert len(set(digests)) == 3


def test_an_authors_id_is_covered() -> None:
    plain, one, other = (fingerprint(BASE, ANY, own_id) for own_id in (None, "one", "other"))
    assert len({plain, one, other}) == 3
    assert fingerprint(BASE, ANY, "wfr_one") == one  # which the service knows as the same id
    assert one != fingerprint(changed(BASE, content_type="text/plain"), ANY, "one")
    assert [version_of(text) for text in (plain, one)] == [1, 2]


def test_fingerprints_are_made_under_the_version_of_another_one() -> None:
    plain, own = fingerprint(BASE, ANY), fingerprint(BASE, ANY, "one")
    assert fingerprint_as("1:x", BASE, ANY, None) == fingerprint_as("1:x", BASE, ANY, "one") == plain
    assert fingerprint_as("2:x", BASE, ANY, "one") == own
    assert fingerprint_as("2:x", BASE, ANY, None) is None
    assert fingerprint_as("99:x", BASE, ANY, "one") is None


def test_described_values_hide_what_is_redacted() -> None:
    request = changed(
        BASE,
        headers={"Authorization": "abc", "X-Team": "growth"},
        delivery=Delivery(redact=Redact(body=True, headers=("authorization",))),
    )
    fields = describe(request, b"key")
    assert fields["body"].startswith("redacted:")
    assert fields["headers"]["authorization"].startswith("redacted:")
    assert fields["headers"]["x-team"] == "growth"
    assert describe(request, b"key") == fields
    assert describe(request, b"other key")["body"] != fields["body"]


def test_large_bodies_are_described_by_digest() -> None:
    fields = describe(changed(BASE, body=Body(BodyKind.TEXT, "x" * 5000)), b"")
    assert fields["body"].startswith("sha256:")
    assert fields["body"].endswith("(5000 bytes)")
