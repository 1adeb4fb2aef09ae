"""The first lines of a report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.model.pull_request import STALE_LINE, FoundStamp, ReportStamp

SHA = "0123456789abcdef0123456789abcdef01234567"
TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)


def test_it_looks_like_this() -> None:
    stamp = ReportStamp(project="shop", environment="production", commit=SHA)
    assert str(stamp) == f"<!-- wfdeploy:shop:production -->\n<!-- wfdeploy commit {SHA} -->\n"
    shard = ReportStamp(project="shop", environment="production", shard="1/4")
    assert str(shard) == "<!-- wfdeploy:shop:production:1%2F4 -->\n"


@given(TEXTS, TEXTS, TEXTS, st.just(SHA) | TEXTS)
def test_it_is_found_whatever_is_in_it(project: str, environment: str, shard: str, commit: str) -> None:
    stamp = ReportStamp(project=project, environment=environment, shard=shard, commit=commit)
    found = FoundStamp.of(f"{stamp}\n### Plan\n")
    assert found is not None
    assert found.marker == stamp.marker
    assert found.commit in (commit, "")
    assert (found.commit == commit) or commit != SHA
    assert str(stamp).count("-->") == str(stamp).count("\n")


def test_environments_and_shards_have_markers_of_their_own() -> None:
    stamps = [("a", "b", ""), ("a:b", "", ""), ("a", "b:c", ""), ("a", "b", "c"), ("a", "c", "b"), ("a%3Ab", "", "")]
    markers = {ReportStamp(project=p, environment=e, shard=s).marker for p, e, s in stamps}
    assert len(markers) == len(stamps)


@pytest.mark.parametrize(
    "text", ["", "\n", "### Plan", "\n<!-- wfdeploy:a:b -->", "<!-- wfdeploy:a:b --> x", "<!-- wfdeploy:a b:c -->"]
)
def test_other_texts_have_none(text: str) -> None:
    assert FoundStamp.of(text) is None


def test_what_carriage_returns_a_host_puts_in_changes_nothing() -> None:
    found = FoundStamp.of(f"<!-- wfdeploy:a:b -->\r\n<!-- wfdeploy commit {SHA} -->\r\n\r\n### Plan")
    assert found == FoundStamp("<!-- wfdeploy:a:b -->", "a", SHA, lines=2)


def test_a_comment_says_that_it_is_out_of_date() -> None:
    found = FoundStamp.of(f"<!-- wfdeploy:a:b -->\r\n<!-- wfdeploy commit {SHA} -->\n{STALE_LINE}\n")
    assert found is not None
    assert found.is_stale
    assert FoundStamp.of(f"<!-- wfdeploy:a:b -->\n{STALE_LINE}\n") == FoundStamp(
        "<!-- wfdeploy:a:b -->", "a", is_stale=True
    )


def test_it_is_behind_another_commit() -> None:
    found = FoundStamp("<!-- wfdeploy:a:b -->", "a", SHA)
    assert found.is_behind("f" * 40)
    assert not found.is_behind(SHA)
    assert not found.is_behind("")
    assert not FoundStamp("<!-- wfdeploy:a:b -->", "a").is_behind(SHA)
