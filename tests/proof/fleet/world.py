"""One world: a team, an embedded server, weeks of reconciles, and the rules that hold whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from tests.fakes.model_server import dying
from tests.proof.fleet.bench import FleetBench
from tests.proof.fleet.endpoint import Endpoint
from tests.proof.fleet.extras import Extra, drawn
from tests.proof.fleet.fleet import data_files, manifests, picture
from tests.proof.fleet.judge import Command, Judge
from tests.proof.fleet.misfortune import Misfortune
from tests.proof.fleet.observer import Observer, Violation
from tests.proof.fleet.once import Once
from tests.proof.fleet.operators import Operators
from tests.proof.fleet.order import Order
from tests.proof.fleet.people import Team
from tests.proof.fleet.recurrence import Recurrence
from tests.proof.fleet.shared import SharedPlace, answer_at_once
from tests.proof.fleet.steps import Steps
from tests.proof.fleet.wire import MOODS, Clock, Wire
from tests.support.local_server import LocalServer
from tests.support.scratch import scratch
from wfdeploy.errors import InvalidInput, RemoteFailure, StateError, UsageError, Withheld
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.fault_plan import FaultPlan, Refusal
from wfdeploy.model.blocking import unix_of
from wfdeploy.model.event import ApplyReport, Outcome
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import Action, RequestedAction
from wfdeploy.model.project import Shard
from wfdeploy.operations import refresh

WEEK_S = 7 * 86_400
BEGINS = ("2026-10-20T09:00:00Z", "2027-03-16T09:00:00Z", "2026-10-22T21:30:00Z")
"""Not long before clocks are put back, forward, and back again, in one of the time zones or in both."""

SKEWS_MS = (0, 0, 7_500, -60_000, 90_000, -3_600_000, 7_200_000)
"""How wrong clocks that are set may be."""


class World:
    """`journal`: what happened, for whoever reads a failure."""

    def __init__(
        self,
        seed: int,
        root: Path,
        server: LocalServer,
        endpoint: Endpoint,
        clock: ManualClock,
        extras: frozenset[Extra],
    ) -> None:
        self.chance = chance = Random(seed)
        self.journal: list[str] = []
        self.reconciles = 0
        self.extras = extras
        self.luck = {extra: Random(f"{seed}/{extra.value}/luck") for extra in Extra}
        self.server, self.endpoint = server, endpoint
        lag_s = chance.choice((0, 4, 60))
        if lag_s == 0 and extras & {Extra.RESTORES, Extra.STALLS, Extra.CLOCK_STEPS}:
            lag_s = 60  # these are about what the logs don't show yet
        self.lag_s = lag_s
        self.may_lose_state = chance.random() < 0.6 or Extra.RESTORES in extras
        faults = server.faults
        faults.duplicates = chance.choice(("deduplicate", "error"))
        faults.hide_delayed = not self.may_lose_state  # a lost state is made good by the logs alone
        # Half of what the project allows for belongs to late logs, half to late requests.
        faults.log_lag_s = lag_s / 2
        self.wire = Wire(server, clock, Random(seed + 1), late_ms=max(500 * lag_s - 1, 0))
        self.clock = Clock(clock, self.wire.move, chance.choice((0, -3_600_000, 7_500)))
        self.server_clock = clock
        self.bench = FleetBench(root, server.url, server.token, clock=self.clock)
        self.bench.wire = self.wire
        self.bench.server(log_lag_s=lag_s, log_lag_given=True, max_batch_items=chance.choice((1, 3, 50)))
        if self.may_lose_state:
            self.bench.server(log_retention_s=60 * 86_400.0)
        slack_s = (max(SKEWS_MS) - min(SKEWS_MS)) // 1000 if Extra.CLOCK_STEPS in extras else 0
        self.team = Team(chance)
        if Extra.TABLES in extras:
            self.team.begin_tables()
        self.shards: tuple[Shard, ...] = ()
        if Extra.SHARDS in extras:
            self.team.share_out()
            self.shards = (Shard(1, 2), Shard(2, 2))
            self._use(self.shards[0])
        self.observer = Observer(server, self.wire)
        self.once = self.team.once = Once(self.observer, self.team.groups, slack_s=slack_s)
        if Extra.OWN_IDS in extras:
            self.team.begin_own_ids()
        self.order = Order(self.observer)
        self.steps = Steps(self.observer, self.once, "wave", 1000 * lag_s, slack_s)
        self.recurrence = Recurrence(self.observer, self.clock)
        self.judge = Judge(self.bench, self.observer, self.once, self.order, self.steps, self.recurrence)
        self.bench.round_begins = self.judge.round_begins
        self.operators = Operators(
            self.bench, self.team, self.observer, self.once, self.steps, self.judge.look, self._say
        )
        self.misfortune = Misfortune(self.bench, self.once, self.steps, self.recurrence, self._say)
        self.wire.under_way = self._request_under_way
        self.clock.pausing = self._pausing
        self._waits = self._is_open = False
        if Extra.SHARED in extras:
            self._share(root)

    def _share(self, root: Path) -> None:
        """The state is where several machines share it."""
        answer_at_once()
        self.may_lose_state = False
        # Many applies find no log or no lease, so an attempt may stay open for long: else a person had to resolve it.
        self.bench.server(log_retention_s=60 * 86_400.0)

        def happened(what: str) -> None:
            self.wire.happened[what] += 1

        self.bench.place = SharedPlace(
            root / "machines", self.clock, self.luck[Extra.SHARED], happened, self._while_stopped
        )

    def _while_stopped(self) -> None:
        """Another machine applies, while the process of an apply is stopped."""
        command, round_ = self.judge.command, self.judge.round
        self._say("meanwhile, the process is stopped")
        with self.bench.another_checkout(), ThreadPoolExecutor(1) as second:  # this thread has a loop that runs
            second.submit(self._apply).result()
        self.judge.command, self.judge.round = command, round_

    def _use(self, shard: Shard) -> None:
        self.bench.shard = shard
        self.bench.state_file = self.bench.state_file.with_name(f"default.shard-{shard.index}.db")

    # --- weeks -----------------------------------------------------------------------------------------------

    def live(self, weeks: float, reconciles: int) -> None:
        """So many reconciles in so many weeks; then quiet ones until all is well. Raises: Violation."""
        mean_s = weeks * WEEK_S / reconciles
        for _ in range(reconciles):
            self._pass(mean_s * self.chance.choice((0.02, 0.1, 0.3, 0.6, 1.0, 1.5, 3.48)))
            self._people()
            if self.may_lose_state:
                self.misfortune.befall(self.chance)
            if self.bench.place is not None:
                self.bench.place.befall()
            self._reconcile()
            self._at_once()
        self._converge()

    def _pass(self, seconds: float) -> None:
        self.clock.move(seconds)

    def _say(self, text: str) -> None:
        self.journal.append(f"{self.reconciles:4} {self.server_clock.now_ms() / 1000:.3f} {text}")

    def _people(self) -> None:
        luck = self.luck[Extra.TABLES]
        while Extra.TABLES in self.extras and luck.random() < 0.5:
            told = self.team.edit_table(luck)
            self.wire.happened["all rows gone"] += "gone" in told
            self.wire.happened["numbers written otherwise"] += "written" in told
            self._say(told)
        self._edit_ids()
        while self.chance.random() < 0.4:
            self._say(self.team.edit())
        if self.chance.random() < 0.15:
            self.operators.meddle(self.chance)
        if self.chance.random() < 0.25:
            self.operators.steer(self.chance.choice(("approve", "approve", "pause", "resume", "resume", "abort")))
        if self.chance.random() < 0.05 and self.bench.workspace.has_state:
            with suppress(StateError) if self.bench.place is not None else nullcontext():
                refresh.refresh(self.bench.workspace, (), ())

    def _edit_ids(self) -> None:
        luck = self.luck[Extra.OWN_IDS]
        while Extra.OWN_IDS in self.extras and luck.random() < 0.5:
            told = self.team.edit_ids(luck)
            self.wire.happened[told.partition(":")[0]] += 1
            self._say(told)

    def _at_once(self) -> None:
        """One apply right after another, before the logs can tell what the first one did."""
        luck = self.luck[Extra.RESTORES]
        if Extra.RESTORES in self.extras and luck.random() < 0.12:
            if luck.random() < 0.7:
                self.misfortune.copy()
                self._say(self.team.change_half("kept"))
                self._edit_ids()
                self.wire.mood = MOODS[luck.choice(("calm", "lossy", "deadly"))]
                self._apply()
                self.wire.mood = MOODS["calm"]
            self._pass(luck.uniform(0, self.lag_s / 2))
            self.judge.look()
            if self.misfortune.restore_all(luck):
                self._apply()
        luck = self.luck[Extra.STALLS]
        if Extra.STALLS in self.extras and luck.random() < 0.12:
            self._pass(luck.uniform(0, self.lag_s))
            self._apply()
        luck = self.luck[Extra.OWN_IDS]
        if Extra.OWN_IDS in self.extras and luck.random() < 0.2:
            self._pass(luck.uniform(0, self.lag_s))
            self._edit_ids()
            self.wire.mood = MOODS[luck.choice(("calm", "lossy", "deadly"))]
            self._apply()
            self.wire.mood = MOODS["calm"]
        luck = self.luck[Extra.CLOCK_STEPS]
        if Extra.CLOCK_STEPS in self.extras and luck.random() < 0.3:
            self._set_clock("the clock is set")
            if luck.random() < 0.5:
                self._pass(luck.uniform(0, self.lag_s))
                self._apply()

    def _set_clock(self, what: str) -> None:
        skew_ms = self.luck[Extra.CLOCK_STEPS].choice(SKEWS_MS)
        self.clock.step_to(skew_ms)
        self.wire.happened[what] += 1
        self._say(f"{what}: {skew_ms / 1000:+g} s")

    def _request_under_way(self) -> None:
        if Extra.CLOCK_STEPS in self.extras and self.luck[Extra.CLOCK_STEPS].random() < 0.04:
            self._set_clock("the clock is set, with an apply under way")
        luck = self.luck[Extra.RESTORES]
        if Extra.RESTORES in self.extras and self.judge.round is not None and luck.random() < 0.04:
            self.misfortune.copy()

    # --- reconciles ------------------------------------------------------------------------------------------

    def _reconcile(self) -> None:
        mood = self.chance.choices(("calm", "lossy", "busy", "broken", "deadly"), (6, 3, 1, 2, 2))[0]
        if Extra.ODD_WORDS in self.extras and self.luck[Extra.ODD_WORDS].random() < 0.15:
            mood = "wordy"
        elif Extra.STALLS in self.extras and self.luck[Extra.STALLS].random() < 0.2:
            mood = "stalling"
        self.wire.mood = self.wire.likelier(MOODS[mood]) if mood in ("wordy", "stalling") else MOODS[mood]
        dice = self.chance.random()
        if dice < 0.08:
            self._by_hand()
        elif dice < 0.13:
            self._part()
        elif dice < 0.16 or (Extra.SECOND_WRITER in self.extras and self.luck[Extra.SECOND_WRITER].random() < 0.15):
            self._apply(options=ApplyOptions(wait=True, wait_timeout_s=self.chance.choice((600.0, 4000.0))))
        elif dice < 0.20:
            self._apply(prune=True)
        elif dice < 0.35:
            self._apply(commit=self.chance.randint(1, 7), after=self.chance.random() < 0.5)
        else:
            bad = self.chance.choice(sorted(self.team.groups)) if self.chance.random() < 0.1 else None
            faults = self.server.faults
            faults.refusals = self.chance.choice(("item", "request"))
            faults.refuse = None if bad is None else lambda item: Refusal("no") if f'"{bad}-' in item.body else None
            self._apply()
            faults.refuse = None
        self.wire.mood = MOODS["calm"]

    def _by_hand(self) -> None:
        """An operator asks for something."""
        requested = self.chance.choice(tuple(RequestedAction))
        group = self.chance.choice([one for one in self.team.groups.values() if one.is_present])
        runs = {**group.runs, **group.former}
        whole = group.timetable is not None or self.chance.random() < 0.5
        who = self.chance.choice(sorted(runs))
        pattern = f"{group.name}/*" if whole else f"{group.name}/{runs[who].name}"
        keys = [
            (key, newest[-1].version)
            for key, newest in self.observer.own.items()
            if newest[-1].kind == group.kind and (whole or newest[-1].who == who)
        ]
        if requested is RequestedAction.RETRIGGER:
            keys += [(each, run.version) for each, run in runs.items() if whole or each == who]
        self.once.asked(requested.value, keys)
        self._say(f"{requested.value} {pattern}")
        if self._apply("by hand", requested=requested, targets=(pattern,)) and not whole:
            self._say(f"{requested.value} {pattern}, once more")  # of one run: that is not asked for twice
            self._apply("by hand", requested=requested, targets=(pattern,))

    def _part(self) -> None:
        """An apply of some runs alone."""
        group = self.chance.choice([one for one in self.team.groups.values() if one.is_present])
        if self.chance.random() < 0.5:
            self._apply("a part", limit=self.chance.randint(0, 3))
        else:
            self._apply("a part", targets=(f"{group.name}/*",))

    def _apply(
        self,
        kind: str = "everything",
        *,
        commit: int = 0,
        after: bool = False,
        options: ApplyOptions | None = None,
        **selection: Any,
    ) -> bool:
        """Apply, and see what came of it. Returns whether the process died."""
        if self.bench.shard is not None:
            if Extra.SHARDS in self.extras:
                self._use(self.luck[Extra.SHARDS].choice(self.shards))
            self.wire.happened[f"an apply of shard {self.bench.shard}"] += 1
        self._pass(0.02)  # no two applies within one millisecond: the order of their runs could not be told
        self.bench.write(*manifests(self.team.groups))
        for name, text in data_files(self.team.groups).items():
            (self.bench.root / "manifests" / name).write_text(text, encoding="utf-8")
        self._forget(prunes=bool(selection.get("prune")))
        self._waits = options is not None and options.wait
        options = options or ApplyOptions(timeout_s=self.chance.choice((0.0, 30.0, 300.0, 300.0)))
        rows = self.team.groups.get("rows")
        if rows is not None and not rows.runs and self.luck[Extra.TABLES].random() < 0.4:
            options = replace(options, allow_cancel=True)
            self.wire.happened["cancels consented to"] += 1
        options = replace(options, create_state=self.bench.shard is not None)
        if self.bench.place is not None:
            options = replace(options, create_state=True, lock_timeout_s=self.chance.choice((0.0, 600.0)))
        part = "a part" if self.bench.shard is not None and kind == "everything" else kind
        self.judge.command = Command(picture(self.team.groups), part, options.allow_cancel)
        report: ApplyReport | None = None
        told = ""
        with dying() as crashed:
            try:
                report = self.bench.apply(
                    options=options,
                    state_backend=self.bench.state_backend(commit, after=after),
                    **selection,
                )
                told = f"{ {o.value: n for o, n in report.summary.items() if n} } {report.stopped or ''}"
            except (RemoteFailure, Withheld) as error:
                told = error.message
            except StateError as error:
                if self.bench.place is None:
                    raise
                told = error.message
            except (InvalidInput, UsageError) as error:
                if kind == "everything" and not selection and not self.team.answers(error):
                    raise
                told = error.message
        self._waits = False
        told = "died" if crashed else told
        self._say(f"apply {kind}: {told} [{'; '.join(self.wire.told)}]")
        self.judge.round_ends(report)
        self.wire.told.clear()
        self.reconciles += 1
        self._is_open = report is None or report.summary[Outcome.UNKNOWN] > 0
        return bool(crashed)

    def _pausing(self) -> None:
        """Somebody sleeps: if that is an apply between two rounds, another one of a newer commit may come."""
        if (
            not self._waits
            or self.bench.is_locked
            or self.judge.command.is_overtaken
            or Extra.SECOND_WRITER not in self.extras
        ):
            return
        luck = self.luck[Extra.SECOND_WRITER]
        if luck.random() > 0.05:
            return
        self.judge.round_ends(None)
        command, first = self.judge.command, self.wire.round + 1
        self._say(f"meanwhile: {', '.join(self.team.edit() for _ in range(3))}, {self.team.change_half('kept')}")
        with self.bench.another_checkout(), ThreadPoolExecutor(1) as second:  # this thread has a loop that runs
            second.submit(self._apply).result()
        self.wire.happened["a second writer during --wait"] += 1
        acts = (*self.wire.sent.values(), *(sent for _, sent in self.wire.cancels))
        command.is_overtaken = any(sent.round >= first for sent in acts)
        self.judge.command, self._waits = command, True

    def _forget(self, *, prunes: bool) -> None:
        """The records of what isn't declared any more may go, where that is wanted."""
        for group in self.team.groups.values():
            if prunes or group.care.on_remove == "forget":
                self.once.forgot(group.former)
                if not group.is_present:
                    self.once.forgot(group.runs)

    # --- the end ---------------------------------------------------------------------------------------------

    def _converge(self) -> None:
        """The trouble is over: after some quiet reconciles all is as declared, and there is nothing left to do."""
        self._say("all quiet")
        self.clock.step_to(0)
        self.extras = frozenset()
        if self.bench.place is not None:
            self.bench.place.be_quiet()
        for kind in {"rows", "lines"} & self.team.groups.keys():
            self.team.refill(kind)
        self.endpoint.is_calm = True
        for _ in range(40):
            self._pass(3 * 3600)
            self.judge.look()
            for what in ("resume", "approve"):
                self.operators.steer(what)
            for group in self.team.groups.values():
                for who in tuple(group.runs) if group.timetable is None else ():
                    newest = self.observer.newest(who)
                    if newest is not None and newest.state in ("RUN_FAILED", "RUN_CANCELED"):
                        self.team.declare_anew(group, who, above=newest.version)
            is_open = False
            for shard in self.shards or (None,):
                if shard is not None:
                    self._use(shard)
                self._apply(options=ApplyOptions(timeout_s=10_000.0))
                is_open |= self.shards != () and self._is_open
            reason = self.judge.unsettled(picture(self.team.groups))
            if reason is None and not is_open:
                break
        if reason is not None:
            raise Violation(f"40 quiet reconciles, and {reason}")
        plan = self.bench.plan()
        if plan.has_changes or plan.summary[Action.BLOCKED]:
            changes = [f"{c.address}: {c.action.value} {c.reason}" for c in plan.changes if c.action is not Action.KEEP]
            raise Violation(f"everything is as declared, and the plan is {changes}")


@contextmanager
def world(seed: int, extras: frozenset[Extra] | None = None) -> Iterator[World]:
    """A world of its own, with these extras or those that its seed has."""
    with ExitStack() as stack:
        root = stack.enter_context(scratch())
        clock = ManualClock(1000 * unix_of(BEGINS[seed % len(BEGINS)]))
        endpoint = Endpoint(seed)
        server = stack.enter_context(LocalServer(clock=clock, faults=FaultPlan(answer=endpoint.answer)))
        services = server.inside(lambda inside: inside)
        endpoint.services, endpoint.tenant = (lambda: services), server.tenant
        one = World(seed, root, server, endpoint, clock, drawn(seed) if extras is None else extras)
        stack.callback(one.wire.close)
        yield one
