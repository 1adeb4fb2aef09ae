"""The promise, hunted by hypothesis: random edits, crashes, lost answers, lost and restored states, in virtual time.

Whatever happens, no workflow run id and no label of an attempt is ever accepted twice, and no run is tried again
more often than its policy says; and once the trouble ends, every declared run was accepted exactly once and the plan
is empty.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelServer, dying
from tests.fakes.state_backend import crashing
from tests.support.shared_values import copied
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.errors import InvalidInput, WfdeployError
from wfdeploy.manifests.identify.run_ids import Naming
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import RequestedAction
from wfdeploy.model.workflow_id import parse_run_id

NAMES = ("a", "b", "c", "d", "e")
OWN_IDS = ("one", "two", "three")
MOST_TRIES = 2

faults = st.lists(st.sampled_from([fault for fault in Fault if fault is not Fault.UNAUTHORISED]), max_size=4)


class World(RuleBasedStateMachine):
    """One team, one server, one clock."""

    @initialize(
        lag_s=st.sampled_from([0.0, 5.0, 60.0]),
        hide_delayed=st.booleans(),
        duplicates_are_errors=st.booleans(),
        duration_s=st.sampled_from([0.001, 1.0, 30.0, 1000.0]),
        batch=st.sampled_from([1, 2, 5]),
        skew_s=st.sampled_from([0.0, -3600.0, 7.5]),
        on_failure=st.sampled_from(["report", "restart", "resume", "resume"]),
        failures=st.lists(st.booleans(), min_size=1, max_size=5),
        keeps_letters=st.booleans(),
        replace_running=st.sampled_from(["allow", "wait", "cancel"]),
        ignores_filters=st.booleans(),
    )
    def begin(
        self,
        lag_s: float,
        hide_delayed: bool,
        duplicates_are_errors: bool,
        duration_s: float,
        batch: int,
        skew_s: float,
        on_failure: str,
        failures: list[bool],
        keeps_letters: bool,
        replace_running: str,
        ignores_filters: bool,
    ) -> None:
        self.policy: dict[str, Any] = {
            "onFailure": {"action": on_failure, "maxAttempts": MOST_TRIES},
            "replaceRunning": replace_running,
        }
        self.clock = ManualClock()
        self.remote = ModelServer(
            self.clock,
            lag_s=lag_s,
            hide_delayed=hide_delayed,
            duplicates_are_errors=duplicates_are_errors,
            durations_s=(duration_s,),
            skew_s=skew_s,
            failing=lambda number: failures[number % len(failures)],
            keeps_letters=keeps_letters,
            ignores_filters=ignores_filters,
        )
        shm = Path("/dev/shm")
        self.root = Path(tempfile.mkdtemp(dir=shm if shm.is_dir() else None))
        self.bench = Workbench(self.root / "project", "http://127.0.0.1:9", "token", clock=self.clock)
        self.bench.user_environ = {"XDG_STATE_HOME": str(self.root / "home")}
        self.bench.wrap = lambda _: self.remote
        self.bench.server(log_lag_s=lag_s, log_lag_given=True, max_batch_items=batch)
        self.declared: dict[str, tuple[int, int]] = {}  # name -> (version, delay)
        self.own_ids: dict[str, str] = {}
        self.problems: Sequence[Diagnostic] = []
        self.edits: dict[str, int] = {}
        self.copies: list[bytes] = []

    def teardown(self) -> None:
        if not hasattr(self, "root"):
            return
        try:
            self.converge()
        finally:
            shutil.rmtree(self.root, ignore_errors=True)

    # --- people ----------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), version=st.integers(1, 2), delay=st.sampled_from([0, 0, 0, 10, 100]))
    def declare(self, name: str, version: int, delay: int) -> None:
        if self.declared.get(name, (None, 0))[0] != version:
            self._count_edit(name)
            self.own_ids.pop(name, None)  # an edited run can't keep the id that it gave itself
        self.declared[name] = (version, delay)

    def _count_edit(self, name: str) -> None:
        self.edits[name] = self.edits.get(name, 0) + 1

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.declared.pop(name, None)
        self.own_ids.pop(name, None)

    @precondition(lambda self: bool(self.declared))
    @rule(data=st.data(), own_id=st.sampled_from([*OWN_IDS, None]), swap=st.booleans())
    def name_its_run(self, data: st.DataObject, own_id: str | None, swap: bool) -> None:
        """An id is given, given up, swapped with another run's, or taken from it."""
        name = data.draw(st.sampled_from(sorted(self.declared)))
        before = self.own_ids.pop(name, None)
        holder = next((other for other, taken in self.own_ids.items() if taken == own_id), None)
        if holder is not None:
            self._count_edit(holder)
            del self.own_ids[holder]
            if swap and before is not None:
                self.own_ids[holder] = before
        if own_id is not None:
            self.own_ids[name] = own_id
        if own_id != before:
            self._count_edit(name)

    @rule(own_id=st.sampled_from(OWN_IDS), labelled=st.booleans(), seconds=st.sampled_from([0.0, 100.0]))
    def somebody_else_triggers(self, own_id: str, labelled: bool, seconds: float) -> None:
        """Another project, which uses the same ids."""
        self.remote.add_foreign(own_id, ("wfdeploy.other.default",) if labelled else (), seconds)

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0, 150.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock._move(seconds)

    @rule(seconds=st.sampled_from([-7200.0, -61.0, -1.0, 2.5, 61.0, 3600.0, 86400.0 * 30]), boots=st.booleans())
    def the_clock_is_set(self, seconds: float, boots: bool) -> None:
        self.clock.step(seconds)
        if boots:
            self.clock.boot()

    # --- applies ---------------------------------------------------------------------------------------------

    @rule(
        faults=faults,
        listing=copied(
            st.sampled_from([[], [], [], [Fault.LOST_BEFORE], [Fault.CRASH_BEFORE], [Fault.NONE, Fault.LOST_BEFORE]])
        ),
        timeout_s=st.sampled_from([0.0, 30.0, 300.0]),
    )
    def apply(self, faults: list[Fault], listing: list[Fault], timeout_s: float) -> None:
        self.remote.faults = list(faults)
        self.remote.listing_faults = list(listing)
        self._apply(timeout_s)

    @rule(faults=faults, commit=st.integers(1, 6), after=st.booleans())
    def apply_and_die_at_a_commit(self, faults: list[Fault], commit: int, after: bool) -> None:
        self.remote.faults = list(faults)
        self._apply(300.0, countdown=[commit], after=after)

    @rule(faults=faults)
    def apply_and_prune(self, faults: list[Fault]) -> None:
        self.remote.faults = list(faults)
        self._apply(300.0, prune=True)

    @rule(faults=faults, limit=st.integers(0, 3), pattern=st.sampled_from(["g/a", "g/*", "*/b", "always*"]))
    def apply_a_part(self, faults: list[Fault], limit: int, pattern: str) -> None:
        self.remote.faults = list(faults)
        self._apply(300.0, limit=limit, targets=(pattern,))

    @precondition(lambda self: bool(self.declared))
    @rule(data=st.data(), faults=faults)
    def replace(self, data: st.DataObject, faults: list[Fault]) -> None:
        name = data.draw(st.sampled_from(sorted(self.declared)))
        self.edits[name] = self.edits.get(name, 0) + 1
        self.remote.faults = list(faults)
        self._apply(300.0, replace=(f"g/{name}",))

    @rule(
        faults=faults, requested=st.sampled_from(RequestedAction), pattern=st.sampled_from(["g/a", "g/*", "g/always"])
    )
    def do_by_hand(self, faults: list[Fault], requested: RequestedAction, pattern: str) -> None:
        if requested is not RequestedAction.CANCEL:
            self.edits["by hand"] = self.edits.get("by hand", 0) + len(NAMES) + 1
        self.remote.faults = list(faults)
        self._apply(300.0, requested=requested, targets=(pattern,))

    @rule(faults=faults)
    def another_runner_applies(self, faults: list[Fault]) -> None:
        """With a state of its own, in turn: no sooner than the logs can tell of the one before."""
        self.remote.show_delayed()
        self.clock._move(self.remote.lag_s + 1)
        mine, self.bench.state_file = self.bench.state_file, self.bench.state_file.with_name("other.db")
        home, self.bench.user_environ = self.bench.user_environ, {"XDG_STATE_HOME": str(self.root / "other home")}
        try:
            self.remote.faults = list(faults)
            self._apply(300.0)
        finally:
            self.bench.state_file, self.bench.user_environ = mine, home
        self.clock._move(self.remote.lag_s + 1)

    def _apply(
        self, timeout_s: float, *, countdown: list[int] | None = None, after: bool = False, **selection: Any
    ) -> None:
        self._write()
        with dying() as crashed:
            try:
                report = self.bench.apply(
                    options=ApplyOptions(timeout_s=timeout_s, concurrency=2),
                    state_backend=None
                    if countdown is None
                    else crashing(self.bench.workspace.state_backend, countdown, after=after),
                    **selection,
                )
                note(f"apply: {counts(report)} {report.stopped or ''}")
            except InvalidInput as error:
                note(f"apply: {error.diagnostics}")
                self.problems = error.diagnostics
            except WfdeployError as error:
                note(f"apply: {error.message}")
        if crashed:
            note("apply: died")
        self.remote.faults = []
        self.remote.listing_faults = []

    # --- misfortune ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.bench.state_file.exists())
    @rule()
    def keep_a_copy(self) -> None:
        self._checkpoint()
        self.copies.append(self.bench.state_file.read_bytes())

    @precondition(lambda self: bool(self.copies))
    @rule(data=st.data(), in_place=st.booleans())
    def restore_a_copy(self, data: st.DataObject, in_place: bool) -> None:
        self.remote.show_delayed()
        copy = self.copies[data.draw(st.integers(0, len(self.copies) - 1))]
        if not in_place:
            self._lose()
        self._checkpoint()
        self.bench.state_file.write_bytes(copy)

    @precondition(lambda self: self.bench.state_file.exists())
    @rule()
    def lose_the_state(self) -> None:
        self._lose()

    def _lose(self) -> None:
        self.remote.show_delayed()
        for file in self.bench.state_file.parent.glob(f"{self.bench.state_file.name}*"):
            if not file.name.endswith(".lock"):
                file.unlink()

    def _checkpoint(self) -> None:
        """Fold the write-ahead log in, as the end of the last process would have."""
        if self.bench.state_file.exists():
            import sqlite3

            connection = sqlite3.connect(self.bench.state_file)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def _write(self) -> None:
        runs = [
            run(
                name,
                body={"v": version, "of": name},
                **({"delay": delay} if delay else {}),
                **({"workflowRunId": self.own_ids[name]} if name in self.own_ids else {}),
            )
            for name, (version, delay) in sorted(self.declared.items())
        ]
        self.bench.write(group("g", [*runs, run("always", body=0)], policy=self.policy))

    # --- the promise -----------------------------------------------------------------------------------------

    @invariant()
    def never_twice(self) -> None:
        if not hasattr(self, "remote"):
            return
        twice = {run_id: count for run_id, count in self.remote.counts.items() if count > 1}
        assert not twice, f"accepted more than once: {twice}"
        twice = {label: count for label, count in self.remote.tries.items() if count > 1}
        assert not twice, f"resumed more than once: {twice}"

    def converge(self) -> None:
        """After the trouble: a few quiet applies, and everything declared has run once."""
        for number in range(8):
            self.clock._move(1000.0)
            self.problems = []
            self._apply(100_000.0)
            for problem in self.problems:  # an edit that came back to the id of the run that it was
                assert problem.code == "same-run-id", problem
                name = str(problem.address).removeprefix("g/")
                self.own_ids[name] = f"another-{number}-{name}"
                self._count_edit(name)
        self.never_twice()
        plan = self.bench.plan()
        assert not plan.has_changes, plan.changes
        counted = self.remote.counts
        with self.bench.open() as store:
            records = {str(record.address): record for record in store.records()}
        for name, (version, _) in self.declared.items():
            record = records[f"g/{name}"]
            identity = Naming("bench", "default")(record.address, record.fingerprint, record.generation)
            assert (record.triggered_id or record.workflow_run_id) == self.own_ids.get(name, identity)
            bodies = [one.body for one in self.remote.runs if one.identity == identity]
            assert bodies == [canonical_json({"of": name, "v": version}).decode()], f"g/{name} started {bodies}"
        for run_id in counted:
            parts = parse_run_id(run_id)
            assert parts is not None or run_id.startswith("wfr_resumed")
        # Nothing was triggered that nobody asked for: at most one run for each edit, and its tries.
        tries = 0 if self.policy["onFailure"]["action"] == "report" else MOST_TRIES
        assert len(counted) <= (sum(self.edits.values()) + 1) * (1 + tries)


World.TestCase.settings = settings(
    max_examples=int(os.environ.get("PROOF_EXAMPLES", "100")),  # more for a soak
    stateful_step_count=25,
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestExactlyOnce = World.TestCase
