"""The words that select runs by their state."""

from __future__ import annotations

import pytest

from wfdeploy.errors import UsageError
from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState
from wfdeploy.model.status import RowStatus, ShownState, StatusRow, are_run_states, run_states
from wfdeploy.render import status_text as view
from wfdeploy.render.vocabulary import WORDS


@pytest.mark.parametrize("state", RunState)
def test_a_state_of_a_run_is_selected_by_the_words_of_tables_and_of_json(state: RunState) -> None:
    assert run_states([state.value]) == run_states([WORDS[state][0]]) == {ShownState.of(state)}


@pytest.mark.parametrize("status", RowStatus)
def test_one_without_a_run_is_selected_by_the_words_of_tables(status: RowStatus) -> None:
    row = StatusRow(address=Address("g/r"), status=status)
    counts = next(line for line in "".join(view.text([row])).splitlines() if line.startswith("1 "))
    word = counts.removeprefix("1 ").removesuffix(".")
    assert run_states([word]) == {row.shown} == {ShownState.of(None, status)}


def test_a_row_is_shown_by_the_state_of_its_run() -> None:
    row = StatusRow(address=Address("g/r"), status=RowStatus.UNKNOWN, run_state=RunState.SUCCESS)
    assert row.shown is ShownState.SUCCEEDED


def test_there_may_be_several() -> None:
    assert run_states([]) == frozenset()
    assert run_states(["failed,running", " Missing "]) == {ShownState.FAILED, ShownState.RUNNING, ShownState.MISSING}
    assert run_states(["canceled"]) == run_states(["cancelled"])


@pytest.mark.parametrize(
    ("word", "hint"), [("runing", "did you mean 'running'?"), ("", "available: "), ("failed,fialed", "'failed'?")]
)
def test_an_unknown_one_names_the_known_ones(word: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        run_states([word])
    assert hint in (caught.value.hint or "")
    assert (caught.value.hint or "").endswith(
        "available: running, succeeded, failed, cancelled, unknown, missing, expired, not-seen, outcome-unknown, "
        "rejected"
    )


def test_what_looks_like_states() -> None:
    assert are_run_states("failed")
    assert are_run_states("failed, RUN_STARTED")
    assert not are_run_states("failed.db")
    assert not are_run_states("failed/running")
