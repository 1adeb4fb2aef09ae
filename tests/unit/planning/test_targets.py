"""`--target` patterns."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.errors import UsageError
from wfdeploy.model.address import Span
from wfdeploy.planning.targets import Targets


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


@pytest.mark.parametrize(
    ("patterns", "spans"),
    [
        ([], None),
        (["*"], None),
        (["?/a", "g"], None),
        (["\u00e9*"], None),
        (["g/a"], [("g/a", "g/a\0")]),
        (["g/%2A"], [("g/*", "g/*\0")]),
        (["g/\u00e9"], [("g/\u00e9", "g/\u00e9\0")]),
        (["g"], [("g/", "g0")]),
        (["g?"], [("g", "h")]),
        (["g/a*"], [("g/a", "g/b")]),
        (["g/a[\u00e9*"], [("g/a[", "g/a\\")]),
        (["g/b", "g/*", "g/a*", "a"], [("a/", "a0"), ("g/", "g0")]),
        (["g/ab", "g/a", "g/aa"], [("g/a", "g/a\0"), ("g/aa", "g/aa\0"), ("g/ab", "g/ab\0")]),
    ],
)
def test_where_what_matches_can_be(patterns: list[str], spans: list[Span] | None) -> None:
    assert Targets(patterns).spans == spans


TEXTS = st.text(st.sampled_from("ab/*?[~\u00e9\U0010ffff"), max_size=4)


@given(st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=9))
def test_whatever_matches_is_in_one_span(patterns: list[str], addresses: list[str]) -> None:
    targets = Targets(patterns)
    spans = targets.spans
    if spans is None:
        return
    assert all(before.low < before.high <= after.low < after.high for before, after in pairwise(spans))
    for address in filter(targets.match, addresses):
        assert sum(span.low <= address < span.high for span in spans) == 1
