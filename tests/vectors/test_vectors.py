"""What becomes of some twelve thousand manifests, with and without mistakes, is what it was when it was frozen.

A tenth of the cases, or all of them with VECTORS=all. A failure names case and aspects:
`python -m tests.vectors show CASE ASPECT` prints the value, here and in a checkout in which it is still right.
"""

from __future__ import annotations

import os

import pytest

from tests.vectors.cases import LARGE, SMALL, Cases, different

_ALL = os.environ.get("VECTORS") == "all"
_PARTS = 10


def differences(cases: Cases, part: int) -> str:
    """What differs in a tenth of the cases."""
    was = cases.frozen()
    assert sorted(was) == list(range(cases.count))
    found = cases.digests(range(part, cases.count, _PARTS))
    return "\n".join(filter(None, (different(number, was[number], now) for number, now in found.items())))


@pytest.mark.parametrize("part", range(_PARTS if _ALL else 1))
def test_everything_is_as_it_was_frozen(part: int) -> None:
    assert differences(SMALL, part) == ""


@pytest.mark.parametrize("part", range(_PARTS if _ALL else 1))
def test_so_is_what_has_a_thousand_runs_and_more(part: int) -> None:
    assert differences(LARGE, part) == ""
