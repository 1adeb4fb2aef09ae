"""`--target` patterns."""

from __future__ import annotations

import pytest

from wfdeploy.errors import UsageError
from wfdeploy.pipeline.diff.targets import Targets


@pytest.mark.parametrize(
    ("pattern", "address", "hit"),
    [
        ("g/a", "g/a", True),
        ("g/a", "g/ab", False),
        ("g/*", "g/a[x]", True),
        ("g", "g/a", True),
        ("g", "gg/a", False),
        ("*", "g/a", True),
        ("*/a", "g/a", True),
        ("g/?", "g/a", True),
        ("g/?", "g/ab", False),
        ("g/a[x]", "g/a[x]", True),
        ("g/a[x]", "g/ax", False),
        ("g/a[*]", "g/a[x.y]", True),
        ("g/a.b", "g/aXb", False),
    ],
)
def test_brackets_and_dots_are_literal(pattern: str, address: str, hit: bool) -> None:
    assert Targets([pattern]).match(address) is hit


def test_no_pattern_matches_everything() -> None:
    targets = Targets([])
    assert not targets
    assert targets.match("g/a")
    targets.check()


def test_what_matched_nothing_is_named() -> None:
    targets = Targets(["g/*", "h/*"])
    targets.match("g/a")
    with pytest.raises(UsageError, match=r"matches h/\*$"):
        targets.check()
