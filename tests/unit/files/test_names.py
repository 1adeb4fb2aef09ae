from __future__ import annotations

import os

import pytest

from wfdeploy.files.names import escaped, is_text


@pytest.mark.parametrize("name", ["a", "\u00e9\u4e2d", "\U0001f600", "", r"\xff"])
def test_text_stays_as_it_is(name: str) -> None:
    assert is_text(name)
    assert escaped(name) == name


def test_bytes_that_are_not_utf8_are_escaped() -> None:
    name = os.fsdecode(b"caf\xe9/\xc3\xa9\xff")
    assert not is_text(name)
    assert escaped("\ud800\udcff") == r"\ud800\udcff"
    assert escaped(name) == "caf\\xe9/\u00e9\\xff"
