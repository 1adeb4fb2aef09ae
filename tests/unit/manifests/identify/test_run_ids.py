"""Workflow run ids: readable, never shared, and readable back."""

from __future__ import annotations

import re

import hypothesis.strategies as st
from hypothesis import given

from wfdeploy.manifests.identify.digest import digest
from wfdeploy.manifests.identify.run_ids import (
    AttemptParts,
    attempt_label,
    attempt_place,
    parse_attempt,
    place_of,
    run_id,
)
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.workflow_id import parse_run_id

texts = st.text(min_size=1, max_size=60)


fingerprints = st.builds(lambda version, data: f"{version}:{digest(data)}", st.integers(1, 99), st.binary())


names = st.text("abcZ09-._", min_size=1, max_size=60)


odd_names = st.sampled_from(
    ["g/r[\n]", "g/r@2026-11-23T03:00:00Z", "g/--", "g/R[é]", 'g/r["\\]', "g/r[\u2028\U0001f600]"]
)


@given(texts, texts, st.one_of(names, texts, odd_names))
def test_a_place_is_the_digest_of_the_canonical_form_of_what_it_stands_for(project: str, env: str, name: str) -> None:
    assert place_of(project, env, name) == digest(canonical_json([project, env, name]))


@given(texts, texts, texts, fingerprints, st.integers(1, 10**6))
def test_an_id_tells_what_it_was_made_of(project: str, env: str, address: str, fingerprint: str, number: int) -> None:
    text = run_id(project, env, address, fingerprint, number)
    assert re.fullmatch(r"wfr_[a-z0-9-]+", text)
    for form in (text, "wfr_" + text):
        parts = parse_run_id(form)
        assert parts is not None
        assert parts.place == place_of(project, env, address)
        assert (parts.generation, parts.fingerprint) == (number, fingerprint)


@given(st.lists(st.tuples(texts, texts, texts), min_size=2, max_size=2, unique=True))
def test_no_two_places_share_a_digest(places: list[tuple[str, str, str]]) -> None:
    first, second = places
    assert place_of(*first) != place_of(*second)


def test_an_id_is_readable() -> None:
    text = run_id("p", "production", "onboarding-2026-11/acme[eu]", f"1:{digest(b'')}", 1)
    assert text.startswith("wfr_onboarding-2026-11-acme-eu-")
    assert len(text) < 128


@given(texts, texts, texts, fingerprints, st.integers(1, 10**6), st.integers(1, 1000))
def test_an_attempts_label_tells_what_it_was_made_of(
    project: str, env: str, address: str, fingerprint: str, generation: int, tries: int
) -> None:
    place = attempt_place(project, env, address, fingerprint)
    label = attempt_label(place, generation, tries)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", label), "labels may hold nothing else"
    assert parse_attempt(("mine", label)) == AttemptParts(place, generation, tries)
    assert place != attempt_place(project, env, address, f"{fingerprint}x")


def test_no_other_label_is_taken_for_an_attempts() -> None:
    assert parse_attempt(()) is None
    assert parse_attempt(("wfdeploy.shop.production", "wfdeploy.abc.g1.a1", f"wfdeploy.{'a' * 26}.g0.a1")) is None


@given(st.text(st.sampled_from("aZ09-./[] \u00e9\u212a\u0130") | st.characters(codec="utf-8", exclude_characters="@")))
def test_what_can_be_read_of_an_address_is_its_letters_and_digits(address: str) -> None:
    readable = re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-")[:40].strip("-")
    expected = f"wfr_{readable}-" if readable else "wfr_"
    assert run_id("p", "e", address, "1:abc", 1) == f"{expected}{place_of('p', 'e', address)}-g1-f1abc"
