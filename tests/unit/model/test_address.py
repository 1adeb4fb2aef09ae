from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.manifests.identify.run_ids import run_id
from wfdeploy.model.address import AddressParts, escaped_key, split_address
from wfdeploy.model.workflow_id import parse_run_id
from wfdeploy.render.printable import printable

FINGERPRINT = f"1:{'a' * 26}"
KEYS = st.text(min_size=1, max_size=40) | st.text(alphabet="a%[]@/25\n\u2028\u200b B", min_size=1, max_size=12)


@given(KEYS)
def test_any_key_is_read_back_from_an_address_that_can_be_seen(key: str) -> None:
    parts = AddressParts("group", "name", key)
    address = parts.join()
    assert split_address(address) == parts
    assert printable(address) == address
    assert len(address.splitlines()) == 1
    assert AddressParts("group", "name", key, "2026-12-01T06:00Z").join().partition("@")[0]


@given(KEYS, KEYS)
def test_different_keys_have_different_addresses_and_run_ids(one: str, other: str) -> None:
    addresses = [AddressParts("group", "name", key).join() for key in (one, other)]
    ids = [run_id("project", "production", address, FINGERPRINT, 1) for address in addresses]
    assert (addresses[0] == addresses[1]) is (ids[0] == ids[1]) is (one == other)
    for id_ in ids:
        assert re.fullmatch(r"wfr_[A-Za-z0-9_-]{1,200}", id_)
        parts = parse_run_id(id_)
        assert parts is not None
        assert parts.fingerprint == FINGERPRINT


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("acme", "acme"),
        ("Köln/Mülheim [2]", "Köln/Mülheim [2]"),
        ("日本", "日本"),
        ("50%", "50%25"),
        ("a\tb\n", "a%09b%0A"),
        ("a\x85b", "a%C2%85b"),
        ("a\u202eb", "a%E2%80%AEb"),
        ("😀", "😀"),
    ],
)
def test_keys_are_readable(key: str, written: str) -> None:
    assert escaped_key(key) == written
