"""Counts in messages."""

from __future__ import annotations

import pytest

from wfdeploy.errors import several


@pytest.mark.parametrize(
    ("count", "noun", "plural", "said"),
    [
        (0, "run", "", "0 runs"),
        (1, "run", "", "1 run"),
        (1200, "failed run", "", "1,200 failed runs"),
        (1, "retry", "retries", "1 retry"),
        (2, "retry", "retries", "2 retries"),
    ],
)
def test_a_count_and_its_noun_agree(count: int, noun: str, plural: str, said: str) -> None:
    assert several(count, noun, plural) == said
