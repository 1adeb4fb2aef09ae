"""The promise, hunted by hypothesis against the real server: its HTTP, its dedup, its logs, behind a faulty proxy.

Time is virtual and shared by both sides, so that delays and late logs cost nothing; sockets, bytes and SQLite are
real. It hunts for a minute; `WFDEPLOY_SOAK=<seconds>` says how long instead, `WFDEPLOY_SEED` what to begin with.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.fakes.fault_proxy import Fault, by_chance, scripted
from tests.fakes.model_server import dying
from tests.fakes.raw_http import RawRequest
from tests.fakes.state_backend import crashing
from tests.support.local_server import LocalServer
from tests.support.turnstile import Turnstile
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.errors import WfdeployError
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.fault_plan import Refusal
from wfdeploy.model.options import ApplyOptions

NAMES = ("a", "b", "c", "d", "e")

SOAK_S = float(os.environ.get("WFDEPLOY_SOAK", "60"))

MOODS = {
    "calm": {Fault.PASS: 1.0},
    "lossy": {
        Fault.PASS: 4.0,
        Fault.DROP_REQUEST: 1.0,
        Fault.DROP_ANSWER: 1.0,
        Fault.RESET_ANSWER: 1.0,
        Fault.BAD_GATEWAY: 0.5,
        Fault.UNAVAILABLE: 0.5,
    },
    "broken": {
        Fault.PASS: 1.0,
        Fault.GARBLE_ANSWER: 1.0,
        Fault.CUT_ANSWER: 1.0,
        Fault.DROP_ANSWER: 1.0,
        Fault.THROTTLE: 1.0,
    },
    "dead": {Fault.DROP_ANSWER: 3.0, Fault.DROP_REQUEST: 1.0, Fault.PASS: 0.3},
}


class SharedClock:
    """The client's clock: it moves the server's, and nobody waits. Post that is under way arrives on its way."""

    def __init__(self, server: LocalServer, clock: ManualClock, skew_ms: int) -> None:
        self._server = server
        self._clock = clock
        self._skew_ms = skew_ms
        self._began_ms = clock.now_ms()
        self.deliver: Callable[[], None] = lambda: None
        self.due_ms: Callable[[], int | None] = lambda: None

    def now_ms(self) -> int:
        return self._clock.now_ms() + self._skew_ms

    def step(self, seconds: float) -> None:
        """Set the wall clock; the monotonic one goes on."""
        self._skew_ms += round(1000 * seconds)

    def monotonic(self) -> float:
        return (self._clock.now_ms() - self._began_ms) / 1000

    async def sleep(self, seconds: float) -> None:
        self.move(max(seconds, 0.0))
        await asyncio.sleep(0)

    def move(self, seconds: float) -> None:
        """Move both clocks; what is late arrives when it is due, what is delayed starts and ends."""
        until_ms = self._clock.now_ms() + round(1000 * seconds)
        while (due_ms := self.due_ms()) is not None and due_ms <= until_ms:
            self._step(due_ms)
            self.deliver()
        self._step(until_ms)

    def _step(self, until_ms: int) -> None:
        left_ms = until_ms - self._clock.now_ms()
        if left_ms > 0:
            self._clock.advance(left_ms / 1000)
            self._server.wait_idle()


class LatePost(Turnstile):
    """Besides: keeps some triggers back, ends their connections, and brings them to the server later."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.late_share = 0.0
        self.late_ms = 0
        self.chance = random.Random(0)
        self.now_ms: Callable[[], int] = lambda: 0
        self.post: list[tuple[int, RawRequest]] = []
        self._upstream_address = (urlsplit(upstream).hostname, urlsplit(upstream).port)

    async def _carry_out(
        self, fault: Fault, request: RawRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if fault is Fault.DROP_REQUEST and self.late_ms and self.chance.random() < self.late_share:
            self.post.append((self.now_ms() + self.late_ms, request))
        await super()._carry_out(fault, request, reader, writer)

    def due_ms(self) -> int | None:
        return min((due for due, _ in self.post), default=None)

    def deliver(self) -> None:
        """Bring what is due to the server; returns when it has acted."""
        now_ms = self.now_ms()
        due = [request for at, request in self.post if at <= now_ms]
        self.post = [entry for entry in self.post if entry[0] > now_ms]
        for request in due:
            asyncio.run_coroutine_threadsafe(self._forward(request), self._loop).result(10)


moods = st.sampled_from(sorted(MOODS))
chances = st.integers(0, 2**16)
edits = st.dictionaries(
    st.sampled_from(NAMES),
    st.one_of(st.tuples(st.integers(1, 2), st.sampled_from([0, 0, 10, 100])), st.none()),
    max_size=3,
)


class World(RuleBasedStateMachine):
    """One team, one real server, one clock for both."""

    @initialize(
        lag_s=st.sampled_from([0.0, 2.0, 60.0, 60.0]),
        duplicates=st.sampled_from(["deduplicate", "error"]),
        instant=st.sampled_from([True, True, False]),
        hide_delayed=st.sampled_from([True, True, False]),
        batch=st.sampled_from([1, 2, 5]),
        skew_s=st.sampled_from([0.0, -3600.0, 7.5]),
        chance=st.integers(0, 2**32 - 1),
    )
    def begin(
        self, lag_s: float, duplicates: str, instant: bool, hide_delayed: bool, batch: int, skew_s: float, chance: int
    ) -> None:
        self.chance = random.Random(chance)
        clock = ManualClock()
        self.server = LocalServer(clock=clock).start()
        faults = self.server.faults
        faults.instant_finish = instant
        faults.hold_deliveries = not instant
        faults.hide_delayed = hide_delayed
        faults.duplicates = "error" if duplicates == "error" else "deduplicate"
        # Half of what the project allows for belongs to late logs, half to late requests.
        faults.log_lag_s = lag_s / 2
        self.proxy = LatePost(self.server.url).start()
        self.proxy.chance = self.chance
        self.proxy.now_ms = clock.now_ms
        self.proxy.late_ms = max(round(1000 * lag_s / 2) - 1, 0)
        self.proxy.late_share = 0.5
        self.clock = SharedClock(self.server, clock, round(1000 * skew_s))
        self.clock.deliver = self.proxy.deliver
        self.clock.due_ms = self.proxy.due_ms
        shm = Path("/dev/shm")
        self.root = Path(tempfile.mkdtemp(dir=shm if shm.is_dir() else None))
        self.bench = Workbench(self.root, self.proxy.url, self.server.token, clock=self.clock)
        self.bench.server(log_lag_s=lag_s, log_lag_given=True, max_batch_items=batch)
        self.declared: dict[str, tuple[int, int]] = {}  # name -> (version, delay)
        self.edits: dict[str, int] = {}
        self.copies: list[bytes] = []

    def teardown(self) -> None:
        if not hasattr(self, "root"):
            return
        try:
            self.converge()
        finally:
            self.proxy.close()
            self.server.stop()
            shutil.rmtree(self.root, ignore_errors=True)

    # --- people ----------------------------------------------------------------------------------------------

    def _edit(self, edits: dict[str, tuple[int, int] | None]) -> None:
        for name, declaration in edits.items():
            if declaration is None:
                self.declared.pop(name, None)
                continue
            if self.declared.get(name, (None, 0))[0] != declaration[0]:
                self.edits[name] = self.edits.get(name, 0) + 1
            self.declared[name] = declaration

    @rule(seconds=st.sampled_from([-7200.0, -61.0, 2.5, 61.0, 3600.0, 86400.0 * 30]))
    def the_clock_is_set(self, seconds: float) -> None:
        self.clock.step(seconds)

    @rule(seconds=st.sampled_from([1.0, 5.0, 30.0, 61.0, 100.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.move(seconds)

    @precondition(lambda self: not self.server.faults.instant_finish)
    @rule(data=st.data())
    def a_run_ends(self, data: st.DataObject) -> None:
        running = sorted({run.run_id for run in self.server.accepted() if run.state == "RUN_STARTED"})
        if running:
            self.server.end(data.draw(st.sampled_from(running)))

    # --- applies ---------------------------------------------------------------------------------------------

    @rule(edits=edits, mood=moods, chance=chances, timeout_s=st.sampled_from([0.0, 30.0, 300.0, 300.0]))
    def apply(self, edits: dict[str, tuple[int, int] | None], mood: str, chance: int, timeout_s: float) -> None:
        self._edit(edits)
        self.proxy.policy = by_chance(chance, MOODS[mood])
        self._apply(timeout_s)

    @rule(
        data=st.data(),
        mood=moods,
        chance=chances,
        offset_s=st.sampled_from([-91.0, -61.0, -31.0, -1.0, 0.5, 5.0, 29.0]),
    )
    def apply_about_when_a_delayed_run_starts(
        self, data: st.DataObject, mood: str, chance: int, offset_s: float
    ) -> None:
        """The window in which its id is about to be free, and the logs don't know it yet."""
        now_ms = self.server.clock.now_ms()
        starts = sorted({run.starts_at_ms for run in self.server.accepted() if run.starts_at_ms > now_ms})
        if starts:
            self.clock.move(max((data.draw(st.sampled_from(starts)) - now_ms) / 1000 + offset_s, 0.0))
        self.apply({}, mood, chance, 300.0)

    @rule(edits=edits, mood=moods, chance=chances, commit=st.integers(1, 6), after=st.booleans())
    def apply_and_die_at_a_commit(
        self, edits: dict[str, tuple[int, int] | None], mood: str, chance: int, commit: int, after: bool
    ) -> None:
        self._edit(edits)
        self.proxy.policy = by_chance(chance, MOODS[mood], only="/v2/batch")
        self._apply(300.0, countdown=[commit], after=after)

    @rule(edits=edits, names=st.sets(st.sampled_from(NAMES), min_size=1), whole=st.booleans())
    def apply_where_some_are_refused(
        self, edits: dict[str, tuple[int, int] | None], names: set[str], whole: bool
    ) -> None:
        self._edit(edits)
        faults = self.server.faults
        faults.refusals = "request" if whole else "item"
        bad = [f'"n":"{name}"' for name in sorted(names)]
        faults.refuse = lambda item: Refusal("not this one") if any(one in item.body for one in bad) else None
        self._apply(300.0)
        faults.refuse = None

    @rule(edits=edits, refused=st.integers(1, 6))
    def apply_where_connections_are_refused(self, edits: dict[str, tuple[int, int] | None], refused: int) -> None:
        self._edit(edits)
        self.proxy.refuse_next(refused)
        self._apply(300.0)

    def _apply(self, timeout_s: float, *, countdown: list[int] | None = None, after: bool = False) -> None:
        self._write()
        self.clock.move(0.02)  # no two applies within one millisecond: the order of their runs could not be told
        with dying() as crashed:
            try:
                report = self.bench.apply(
                    options=ApplyOptions(timeout_s=timeout_s, concurrency=2),
                    state_backend=None
                    if countdown is None
                    else crashing(self.bench.workspace.state_backend, countdown, after=after),
                )
                note(f"apply: {counts(report)} {report.stopped or ''}")
            except WfdeployError as error:
                note(f"apply: {error.message}")
        if crashed:
            note("apply: died")
        # What a dead process sent is with the server, or lost, or late post; never still on this proxy's desk.
        self.proxy.wait_quiet()
        self.proxy.policy = scripted(())
        self.proxy._refusals = 0

    # --- misfortune ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.bench.state_file.exists())
    @rule()
    def keep_a_copy(self) -> None:
        self._checkpoint()
        self.copies.append(self.bench.state_file.read_bytes())

    @precondition(lambda self: self.bench.state_file.exists())
    @rule(edits=edits, mood=moods, chance=chances, in_place=st.booleans())
    def a_copy_is_restored_after_the_next_apply(
        self, edits: dict[str, tuple[int, int] | None], mood: str, chance: int, in_place: bool
    ) -> None:
        self.keep_a_copy()
        self._show_all()
        self.apply(edits, mood, chance, 300.0)
        self._restore(self.copies[-1], in_place=in_place)
        self._apply(300.0)

    @precondition(lambda self: bool(self.copies))
    @rule(data=st.data(), in_place=st.booleans())
    def restore_a_copy(self, data: st.DataObject, in_place: bool) -> None:
        self._show_all()
        self._restore(self.copies[data.draw(st.integers(0, len(self.copies) - 1))], in_place=in_place)

    def _restore(self, copy: bytes, *, in_place: bool) -> None:
        if not in_place:
            self._lose()
        self._checkpoint()
        self.bench.state_file.write_bytes(copy)

    @precondition(lambda self: self.bench.state_file.exists())
    @rule()
    def lose_the_state(self) -> None:
        self._lose()

    def _lose(self) -> None:
        self._show_all()
        for file in self.bench.state_file.parent.glob(f"{self.bench.state_file.name}*"):
            if not file.name.endswith(".lock"):
                file.unlink()

    def _show_all(self) -> None:
        """A lost state is made good by the logs alone, so where they hide what is queued, nothing can."""
        self.server.faults.hide_delayed = False

    def _checkpoint(self) -> None:
        """Fold the write-ahead log in, as the end of the last process would have."""
        if self.bench.state_file.exists():
            connection = sqlite3.connect(self.bench.state_file)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def _write(self) -> None:
        runs = [
            run(name, body={"n": name, "v": version}, **({"delay": delay} if delay else {}))
            for name, (version, delay) in sorted(self.declared.items())
        ]
        self.bench.write(group("g", [*runs, run("always", body=0)]))

    # --- the promise -----------------------------------------------------------------------------------------

    @invariant()
    def never_twice(self) -> None:
        if not hasattr(self, "server"):
            return
        twice = {run_id: count for run_id, count in self.server.accepted_counts().items() if count > 1}
        assert not twice, f"accepted more than once: {twice}"

    def converge(self) -> None:
        """After the trouble: a few quiet applies, and everything declared has run once."""
        self.server.faults.refuse = None
        for _ in range(3):
            self.clock.move(1000.0)
            self._apply(100_000.0)
        self.never_twice()
        plan = self.bench.plan()
        assert not plan.has_changes, plan.changes
        counted = self.server.accepted_counts()
        with self.bench.open() as store:
            ids = {str(key.address): key.workflow_run_id for key in store.record_keys()}
        for name in (*self.declared, "always"):
            assert counted[ids[f"g/{name}"]] == 1, f"g/{name} was accepted {counted[ids[f'g/{name}']]} times"
        # Nothing was triggered that nobody asked for: at most one run for each edit.
        assert len(counted) <= sum(self.edits.values()) + 1


CALM = settings(
    max_examples=10,
    stateful_step_count=20,
    deadline=None,
    print_blob=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.slow
# A process that dies in the middle of a request closes no socket.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_each_declared_run_is_accepted_once_by_the_real_server() -> None:
    """Seeds are printed; one alone is repeated with `WFDEPLOY_SEED=<seed> WFDEPLOY_SOAK=0`."""
    until = time.monotonic() + SOAK_S
    number = int(os.environ.get("WFDEPLOY_SEED", random.SystemRandom().randrange(2**32)))
    while True:
        print(f"WFDEPLOY_SEED={number}", flush=True)
        machine = seed(number)(type("World", (World,), {}))
        run_state_machine_as_test(machine, settings=CALM)
        if time.monotonic() >= until:
            return
        number += 1
