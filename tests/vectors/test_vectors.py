"""What becomes of some twelve thousand manifests, with and without mistakes, is what it was when it was frozen.

A tenth of the cases, or all of them with VECTORS=all. A failure names case and aspects:
`python -m tests.vectors show CASE ASPECT` prints the value, here and in a checkout in which it is still right.
"""

from __future__ import annotations

import os

import pytest

from tests.vectors import cases

_PARTS = 10
_TRIED = range(_PARTS if os.environ.get("VECTORS") == "all" else 1)


@pytest.mark.parametrize("part", _TRIED)
def test_everything_is_as_it_was_frozen(part: int) -> None:
    was = cases.frozen()
    assert sorted(was) == list(range(cases.COUNT))
    wrong = [
        cases.different(seed, was[seed], now)
        for seed, found in cases.values(range(part, cases.COUNT, _PARTS))
        if (now := cases.digests(found)) != was[seed]
    ]
    assert not wrong, "\n".join([f"{len(wrong)} cases differ:", *wrong[:20]])
