"""The text of a comment: cut where it must be, whole in its Markdown, and marked when it is out of date."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from wfdeploy.model.pull_request import Comment, FoundStamp, Posted, PostOutcome, ReportStamp
from wfdeploy.render.comment import body, mark_stale, posted_json, posted_text

SHA = "0123456789abcdef0123456789abcdef01234567"
STAMP = str(ReportStamp(project="shop", environment="production", commit=SHA))
REPORT = f"{STAMP}\n### Plan\n\n- one\n"
JOB = "https://github.com/acme/shop/actions/runs/7"


def test_it_looks_like_this() -> None:
    shown = body(REPORT, limit=65_536, is_stale=True, job_url=JOB)
    assert shown == (
        "<!-- wfdeploy:shop:production -->\n"
        f"<!-- wfdeploy commit {SHA} -->\n"
        "<!-- wfdeploy stale -->\n"
        "\n"
        "> **Out of date:** this is about `0123456789`, and the pull request has changed since.\n"
        "\n"
        "### Plan\n\n- one\n"
        f"\nCommit `0123456789`, [job]({JOB})\n"
    )
    assert body(REPORT, limit=65_536, is_stale=False, job_url=None) == f"{REPORT}\nCommit `0123456789`\n"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://h/) @all", "https://h/" + "x" * 600, ""])
def test_what_is_no_plain_address_is_left_out(url: str) -> None:
    assert "[job]" not in body(REPORT, limit=65_536, is_stale=False, job_url=url)


def test_it_is_marked_once() -> None:
    marked = mark_stale(REPORT)
    assert mark_stale(marked) == marked
    found = FoundStamp.of(marked)
    assert found is not None
    assert (found.is_stale, found.commit) == (True, SHA)
    assert mark_stale(REPORT.replace("\n", "\r\n")).endswith("- one\r\n")


OPENED = "<details><summary>x</summary>"
LINES = st.sampled_from(
    ["text", "```text", "```", "````", "  ```yaml", "  ```", OPENED, "</details>", "", "- a", "é" * 9]
)


@given(st.lists(LINES, max_size=60), st.integers(300, 700), st.booleans())
def test_it_is_never_longer_than_the_limit(lines: list[str], limit: int, is_stale: bool) -> None:
    report = STAMP + "\n" + "".join(f"{line}\n" for line in lines)
    shown = body(report, limit=limit, is_stale=is_stale, job_url=None)
    assert len(shown) <= max(limit, 500)
    found = FoundStamp.of(shown)
    assert found is not None
    assert found.is_stale is is_stale


@pytest.mark.parametrize("cut", range(0, 1200, 37))
def test_a_cut_report_is_whole_in_its_markdown(cut: int) -> None:
    code = "- a\n\n  ```yaml\n  x: 1\n  ```\n\n````text\n```\nline\n````\n\n"
    block = f"<details><summary>g</summary>\n\n{code}</details>\n\n"
    report = STAMP + "\n" + block * 20
    shown = body(report, limit=600 + cut, is_stale=False, job_url=None)
    assert len(shown) <= 600 + cut
    tokens = MarkdownIt("commonmark").parse(shown)
    last = [token.content for token in tokens if token.type == "inline"][-2:]
    assert last[0].startswith("**The report is cut here")
    assert last[1] == "Commit `0123456789`"
    assert shown.count("<details>") == shown.count("</details>")


def test_what_was_posted_is_shown() -> None:
    posted = Posted(PostOutcome.UPDATED, "https://h/1", is_stale=True, marked=[Comment("7", "", "https://h/7")])
    assert posted_text(posted) == (
        "Updated the comment: https://h/1\n"
        "It says that it is out of date: the pull request has commits that the report doesn't know.\n"
        "Marked 1 other comment as out of date.\n"
    )
    assert json.loads(posted_json(posted)) == {
        "formatVersion": 1,
        "outcome": "updated",
        "url": "https://h/1",
        "stale": True,
        "marked": ["https://h/7"],
    }
    assert json.loads(posted_json(None))["outcome"] == "refused"
