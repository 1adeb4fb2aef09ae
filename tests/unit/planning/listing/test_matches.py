"""Listed runs that are recorded just so are passed over, and that makes no difference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.manual_clock import ManualClock
from tests.support.workbench import Workbench, group, run
from wfdeploy.manifests.identify.run_ids import attempt_label, attempt_place, run_id
from wfdeploy.manifests.manifests import load_manifests
from wfdeploy.model.edits import PutAttempt, PutRecord, Remember
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.plan import Selection
from wfdeploy.model.state import Attempt, Record
from wfdeploy.planning.listing.matches import Matcher
from wfdeploy.planning.listing.run_listing import RunListing
from wfdeploy.planning.plan_result import PlanResult
from wfdeploy.planning.planner import Planner
from wfdeploy.ports import StateStore


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    bench = Workbench(Path(tmp_path_factory.mktemp("listed")), "http://127.0.0.1:9", "token", clock=ManualClock())
    runs = [run(name, body={"n": name}) for name in "abcd"]
    bench.write(group("waves", [*runs, run("own", body={"n": 1}, workflowRunId="order-1")]))
    return bench


@pytest.fixture(scope="module")
def store(bench: Workbench) -> Iterator[StateStore]:
    """Knows a, b and own; d's answer was lost."""
    with closing(bench.workspace.open_state()) as store:
        changes = {one.address: one for one in planner(bench, store).plan().plan.changes}
        for name in ("a", "b", "own"):
            one = changes[f"waves/{name}"]  # type: ignore[index]
            store.commit(
                [
                    PutRecord(
                        Record(
                            address=one.address,
                            fingerprint=one.fingerprint,
                            generation=1,
                            workflow_run_id=one.workflow_run_id,
                            created_at_ms=1000,
                        )
                    )
                ]
            )
        lost = changes["waves/d"]  # type: ignore[index]
        store.commit(
            [
                PutAttempt(
                    Attempt(
                        address=lost.address,
                        fingerprint=lost.fingerprint,
                        generation=1,
                        workflow_run_id=lost.workflow_run_id,
                        intent_at_ms=1,
                    )
                )
            ]
        )
        yield store


def planner(bench: Workbench, store: StateStore) -> Planner:
    return Planner(bench.workspace, load_manifests(bench.project), store, Selection())


def listings(bench: Workbench) -> st.SearchStrategy[list[ObservedRun]]:
    key, environment = bench.workspace.project.key, bench.workspace.project.environment
    declared = bench_ids(bench)

    def place(name: str) -> str:
        return attempt_place(key, environment, f"waves/{name}", declared[name][0])

    ids = [*(known for _, known in declared.values()), *(again for again in _again(bench)), "order-1", "somebody-else"]
    labels = [known for _, known in declared.values()] + [attempt_label(place(name), 1, 1) for name in "ab"]
    own = bench.workspace.project.label
    return st.lists(
        st.builds(
            ObservedRun,
            workflow_run_id=st.sampled_from([*ids, *(f"wfr_{one}" for one in ids)]),
            state=st.sampled_from([RunState.STARTED, RunState.SUCCESS]),
            created_at_ms=st.sampled_from([1000, 1500, 9000]),
            labels=st.sampled_from([(own,), (own,), (own,), ()]) | st.sampled_from([(own, one) for one in labels]),
        ),
        max_size=5,
    )


def bench_ids(bench: Workbench) -> dict[str, tuple[str, str]]:
    """By name: fingerprint and derived id."""
    project = bench.workspace.project
    with load_manifests(bench.project) as manifests:
        return {
            one.address.partition("/")[2]: (
                one.fingerprint,
                run_id(project.key, project.environment, one.address, one.fingerprint, 1),
            )
            for one in manifests.runs.runs()
        }


def _again(bench: Workbench) -> list[str]:
    return [known.replace("-g1-", "-g2-") for _, known in bench_ids(bench).values()]


def told(result: PlanResult) -> tuple[object, ...]:
    return result.plan, result.edits, result.foreign


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_passing_over_what_is_recorded_as_it_is_listed_makes_no_difference(
    bench: Workbench, store: StateStore, data: st.DataObject
) -> None:
    listing = RunListing(runs=tuple(data.draw(listings(bench))))
    remembered = data.draw(st.sampled_from([(), listing.runs[:1]]))
    with patch.object(type(store), "unclaimed", lambda _: list(remembered)):
        quick = planner(bench, store).plan(listing)
        with patch.object(Matcher, "_unlike_records", lambda _, listed, __: listed):
            slow = planner(bench, store).plan(listing)
    assert told(quick) == told(slow)


def test_a_listing_that_shows_what_is_recorded_needs_no_look_at_what_is_declared(
    bench: Workbench, store: StateStore
) -> None:
    known = bench_ids(bench)
    runs = [ObservedRun(workflow_run_id=known[name][1], state=RunState.STARTED, created_at_ms=1000) for name in "ab"]
    with patch("wfdeploy.planning.listing.matches.match_runs", side_effect=AssertionError("matched")):
        result = planner(bench, store).plan(RunListing(runs=tuple(runs)))
    assert not any(isinstance(edit, Remember) for edit in result.edits)
