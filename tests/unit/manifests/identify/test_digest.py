"""The digest that all others are made of."""

from __future__ import annotations

import base64
import hashlib

import hypothesis.strategies as st
from hypothesis import given

from wfdeploy.manifests.identify.digest import digest


@given(st.binary())
def test_a_digest_is_the_beginning_of_a_sha_256_in_base32(data: bytes) -> None:
    assert digest(data) == base64.b32encode(hashlib.sha256(data).digest()).decode().lower()[:26]
