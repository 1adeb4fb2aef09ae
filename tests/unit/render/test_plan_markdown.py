"""A plan as Markdown: one file a sample, and nothing in it that somebody else may have written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.golden_files import GOLDEN
from tests.unit.render import samples
from tests.unit.render.views import SAMPLE_PLANS
from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, FieldChange, Plan
from wfdeploy.render import plan_markdown

PARSER = MarkdownIt("gfm-like", {"linkify": False, "html": True})
HOSTILE = (
    "```", "~~~~", "``` \n<script>alert(1)</script>", "@maintainer", "<img src=x onerror=alert(1)>", "`@team`",
    "# Approved", "| a | b |\n|---|---|", "[ok](https://evil.example)", "![x](https://evil.example/x.png)", "/approve",
    "#1", "<!--", "</details>", "&lt;b&gt;", "\x1b[2J", "\u202e", "a\\`b", "-->", "https://evil.example", "`" * 40,
)  # fmt: skip


def markdown(plan: Plan) -> str:
    return "".join(plan_markdown.text(plan))


def named(evil: str) -> Plan:
    """A plan in which everything that somebody else may write is this."""
    changes = [
        samples.change(f"{evil}/r", Action.RETRIGGER, evil, FieldChange(evil, evil, f"{evil}\n{evil}")),
        samples.change(f"g/{evil}", Action.TRIGGER, evil)._replace(warnings=(evil,)),
    ]
    return replace(
        samples.plan_of(changes),
        project=evil,
        environment=evil,
        url=evil,
        token_source=evil,
        state=evil,
        verified=False,
        sends=1,
        warnings=(evil,),
        notes=(evil,),
        unmatched_ids=(evil,),
        emptied={evil: 1},
        possibly_renamed=((Address(evil), Address(evil)),),
        possibly_triggered=((evil, Address(evil)),),
        orphans=2,
        drifted={RunState.FAILED: 3},
    )


def tokens(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def prose(text: str) -> str:
    """What isn't code."""
    return "\n".join(token.content for token in tokens(text) if token.type == "text")


PROSE = prose(markdown(named("x")))
STRUCTURE = [token.type for token in tokens(markdown(named("x")))]


@pytest.mark.parametrize("name", SAMPLE_PLANS)
def test_it_looks_like_this(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / "plan" / f"{name}.md", markdown(SAMPLE_PLANS[name]))


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_text_gets_out_of_code(evil: str) -> None:
    text = markdown(named(evil))
    assert prose(text) == PROSE
    assert not {token.type for token in tokens(text)} & {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "table_open",
    }


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=60))
def test_whatever_is_written_stays_in_code(evil: str) -> None:
    text = markdown(named(evil))
    assert prose(text) == PROSE
    assert [token.type for token in tokens(text)] == STRUCTURE


@pytest.mark.parametrize("name", ["many", "crowded", "every-action"])
def test_it_fits_a_comment(name: str) -> None:
    assert len(markdown(SAMPLE_PLANS[name])) < 65_536


@pytest.mark.parametrize("letter", ["k", "\u0301", "\u5b57"])
def test_the_longest_fits_a_comment_too(letter: str) -> None:
    many = tuple(f"{number} " + letter * 5000 for number in range(1000))
    plan = replace(
        samples.plan_of(
            [
                samples.change(f"g-{n}/{'k' * 60}", Action.RETRIGGER, letter * 500, FieldChange(letter * 500, 1, 2))
                for n in range(2000)
            ]
        ),
        emptied=dict.fromkeys(many, 1),
        warnings=many,
        notes=many,
        unmatched_ids=many,
        possibly_triggered=tuple((text, Address(text)) for text in many),
        possibly_renamed=tuple((Address(text), Address(text)) for text in many),
    )
    assert len(markdown(plan)) < 65_536
