"""A plan as Markdown: one file a sample, and nothing in it that somebody else may have written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden_files import GOLDEN
from tests.unit.render import samples
from tests.unit.render.reading_markdown import FOREIGN, HOSTILE, prose, structure, tags, token_types
from tests.unit.render.views import SAMPLE_PLANS
from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, FieldChange, Plan
from wfdeploy.model.pull_request import GITHUB_LIMIT
from wfdeploy.render import plan_markdown


def markdown(plan: Plan, limit: int = GITHUB_LIMIT) -> str:
    return "".join(plan_markdown.text(plan, limit=limit))


def named(evil: str) -> Plan:
    """A plan in which everything that somebody else may write is this."""
    changes = [
        samples.change(f"a{evil}/r", Action.RETRIGGER, evil, FieldChange(evil, evil, f"{evil}\n{evil}")),
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
        in_doubt=((Address(evil), evil),),
        possibly_renamed=((Address(evil), Address(evil)),),
        possibly_triggered=((evil, Address(evil)),),
        orphans=2,
        drifted={RunState.FAILED: 3},
    )


PROSE = prose(markdown(named("x")))
STRUCTURE = structure(markdown(named("x")))
TAGS = tags(markdown(named("x")))


@pytest.mark.parametrize("name", SAMPLE_PLANS)
def test_it_looks_like_this(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / "plan" / f"{name}.md", markdown(SAMPLE_PLANS[name]))


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_text_gets_out_of_code(evil: str) -> None:
    text = markdown(named(evil))
    assert prose(text) == PROSE
    assert not token_types(text) & FOREIGN
    assert tags(text) == TAGS


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=60))
def test_whatever_is_written_stays_in_code(evil: str) -> None:
    text = markdown(named(evil))
    assert prose(text) == PROSE
    assert structure(text) == STRUCTURE
    assert tags(text) == TAGS


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
        in_doubt=tuple((Address(text), text) for text in many),
        possibly_triggered=tuple((text, Address(text)) for text in many),
        possibly_renamed=tuple((Address(text), Address(text)) for text in many),
    )
    assert len(markdown(plan)) < 65_536


def test_more_fits_where_more_may_be() -> None:
    plan = samples.crowded()
    assert "Not all changes are shown: `wfdeploy plan --all` lists every run." in markdown(plan)
    longer = markdown(plan, limit=1_000_000)
    assert len(markdown(plan)) < len(longer) < 1_000_000
    assert "wfdeploy plan --all" not in longer


def test_what_needs_an_option_says_so() -> None:
    plan = samples.plan_of([samples.change(f"g/r{n}", Action.CANCEL, "gone") for n in range(101)])
    assert "- 101 runs would be cancelled, which requires --allow-cancel.\n" in markdown(plan)
    fewer = samples.plan_of(plan.changes[:100])
    assert "- 100 runs would be cancelled.\n" in markdown(fewer)
