"""Reports hold no secrets, whatever they were wrapped in."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.cli.report_file import _without_values, scrub

SECRETS = st.text(st.characters(codec="utf-8"), min_size=6, max_size=40)


@given(SECRETS, st.text(max_size=10))
def test_known_encodings_are_scrubbed(secret: str, before: str) -> None:
    for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert form not in scrub(f"{before} {form} after", [secret]).replace("***", "")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=40), st.binary(max_size=5))
def test_a_secret_inside_base64_is_scrubbed(secret: str, before: bytes) -> None:
    encoded = base64.b64encode(before + secret.encode() + b"tail").decode()
    assert scrub(encoded, [secret]) != encoded


def test_values_of_variables_are_left_out() -> None:
    arguments = ["apply", "--var", "a=secret", "--var=b=secret", "m", "-e", "x=y"]
    assert list(_without_values(arguments)) == ["apply", "--var", "a=***", "--var=b=***", "m", "-e", "x=y"]
