"""Rollouts, decided over and over: who goes first, and that no step is ever exceeded."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from math import ceil

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from wfdeploy.model.address import Address
from wfdeploy.model.blocking import Amount, Rollout, RolloutMode, RolloutProgress, RolloutStep, StepGate
from wfdeploy.model.edits import EndRollout, PutProgress, ReleaseRuns
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Change
from wfdeploy.planning.blocking.rollouts import Decision, PlannedRuns, RolloutState, apply_rollout, decide, rank

MINUTE_MS = 60_000


@dataclass
class Fleet:
    """A group as its state and the server know it."""

    rollout: Rollout
    declared: dict[Address, str] = field(default_factory=dict)  # address -> fingerprint
    running: dict[Address, str] = field(default_factory=dict)
    states: dict[Address, RunState] = field(default_factory=dict)
    progress: RolloutProgress | None = None
    members: dict[Address, str] = field(default_factory=dict)
    now_ms: int = 0

    def declare(self, *names: str, version: str = "1") -> None:
        self.declared |= {Address(f"g/{name}"): version for name in names}

    @property
    def pending(self) -> dict[Address, str]:
        return {address: text for address, text in self.declared.items() if self.running.get(address) != text}

    def look(self) -> Decision:
        state = RolloutState(
            group="g",
            rollout=self.rollout,
            progress=self.progress,
            members=self.members,
            state_of=self.states.get,
            now_ms=self.now_ms,
        )
        return decide(state, PlannedRuns(pending=self.pending))

    def write(self, decision: Decision) -> None:
        for edit in decision.edits:
            match edit:
                case PutProgress(progress):
                    self.progress = progress
                case ReleaseRuns(_, runs):
                    self.members |= dict(runs)
                case EndRollout(_):
                    self.progress, self.members = None, {}

    def apply(self, *, sends: float = 1.0, chance: random.Random | None = None) -> set[Address]:
        """Look, write down, start: each of the released with a certain probability."""
        decision = self.look()
        pending = self.pending
        self.write(decision)
        started = set()
        for address in sorted(pending if decision.released is None else decision.released):
            if chance is None or chance.random() < sends:
                self.running[address] = pending[address]
                self.states[address] = RunState.STARTED
                started.add(address)
        return started

    def end(self, *addresses: Address, state: RunState = RunState.SUCCESS) -> None:
        for address in addresses or self.running:
            self.states[address] = state


def fleet(*steps: RolloutStep, most: Amount | None = None, runs: int = 20) -> Fleet:
    made = Fleet(Rollout(steps, most))
    made.declare(*(f"r{index}" for index in range(runs)))
    return made


def first(count: int, addresses: dict[Address, str]) -> set[Address]:
    return set(sorted(addresses, key=rank)[:count])


def test_steps_are_cumulative_and_each_waits_for_its_gate() -> None:
    it = fleet(
        RolloutStep(Amount(2)),
        RolloutStep(Amount(50, True), StepGate.FINISHED),
        RolloutStep(Amount(15), StepGate.APPROVED),
    )
    assert it.apply() == first(2, it.declared)
    assert it.apply() == set()
    assert it.look().reason == "rollout, step 1 of 3: 0 of 2 succeeded"
    it.end()
    assert len(it.apply()) == 8
    it.end(state=RunState.FAILED)
    assert len(it.apply()) == 5
    it.end()
    assert it.apply() == set()
    assert it.look().reason == "rollout, step 3 of 3: waits for `wfdeploy rollout approve g`"
    assert it.progress is not None
    it.progress = replace(it.progress, approved=3)
    assert len(it.apply()) == 5
    assert not it.pending
    it.apply()
    assert not it.members
    assert it.look() == Decision(None), "it is over"


def test_a_gate_bakes_from_when_it_was_seen_open() -> None:
    it = fleet(RolloutStep(Amount(1), bake_s=600))
    it.apply()
    it.end()
    it.apply()
    assert it.look().reason == "rollout, step 1 of 1: bakes 10 min more"
    it.now_ms += 9 * MINUTE_MS
    it.end(state=RunState.STARTED)
    it.apply()
    it.end()
    it.apply()
    it.now_ms += 9 * MINUTE_MS
    assert it.apply() == set(), "it closed in between"
    it.now_ms += MINUTE_MS
    assert len(it.apply()) == 19


def test_too_many_failures_stop_it_until_somebody_goes_on() -> None:
    it = fleet(
        RolloutStep(Amount(10), StepGate.FINISHED), RolloutStep(Amount(15), StepGate.FINISHED), most=Amount(10, True)
    )
    canaries = sorted(it.apply())
    it.end()
    it.end(canaries[0], state=RunState.FAILED)
    assert it.look().released, "one of ten is not more than 10%"
    it.end(canaries[1], state=RunState.CANCELED)
    assert it.apply() == set()
    assert it.progress is not None
    assert it.progress.mode is RolloutMode.STOPPED
    assert it.look().reason.startswith("rollout stopped: 2 of 10 runs failed (maxFailures: 10%)")
    it.end(canaries[0], canaries[1])
    assert it.apply() == set(), "it stays stopped"
    it.end(canaries[0], canaries[1], state=RunState.FAILED)
    it.progress = replace(it.progress, mode=RolloutMode.RUNNING, tolerated=2)
    assert len(it.apply()) == 5


@pytest.mark.parametrize("mode", [RolloutMode.PAUSED, RolloutMode.ABORTED])
def test_a_person_holds_it(mode: RolloutMode) -> None:
    it = fleet(RolloutStep(Amount(1)))
    it.apply()
    it.end()
    assert it.progress is not None
    it.progress = replace(it.progress, mode=mode)
    assert it.apply() == set()
    assert mode.value in it.look().reason


def test_what_changed_has_to_prove_itself_again() -> None:
    it = fleet(RolloutStep(Amount(2)))
    it.apply()
    it.end()
    it.declare(*(f"r{index}" for index in range(20)), version="2")
    assert it.apply() == first(2, it.declared)
    assert set(it.members.values()) == {"2"}
    assert it.look().reason == "rollout, step 1 of 1: 0 of 2 succeeded"


def test_a_change_elsewhere_does_not_begin_anew() -> None:
    it = fleet(RolloutStep(Amount(2)))
    canaries = it.apply()
    others = [address.removeprefix("g/") for address in it.declared if address not in canaries]
    it.declare(*others, version="2")
    assert it.apply() == set()
    assert set(it.members) == canaries


def test_a_run_that_was_let_go_and_not_started_keeps_its_place() -> None:
    it = fleet(RolloutStep(Amount(2)))
    it.write(it.look())  # and the process dies
    it.declare("added-1", "added-2", "added-3")
    members = set(it.members)
    assert it.apply() == members
    assert set(it.members) == members


def test_without_anything_pending_there_is_no_rollout() -> None:
    it = fleet(RolloutStep(Amount(2)), runs=0)
    assert it.look() == Decision(None)


def test_only_starts_are_held_up() -> None:
    def change(name: str, action: Action) -> Change:
        address = Address(f"g/{name}")
        return Change(address=address, action=action, reason="", fingerprint="1:a", sends=action is not Action.KEEP)

    changes = [change(str(n), action) for n, action in enumerate(Action)] + [change("t", Action.TRIGGER)]
    state = RolloutState(
        group="g",
        rollout=Rollout((RolloutStep(Amount(1)),)),
        progress=None,
        members={},
        state_of=lambda _: None,
        now_ms=0,
    )
    made, decision = apply_rollout(changes, state, lambda _: True)
    held = [(old.action, new) for old, new in zip(changes, made, strict=True) if new != old]
    assert {old for old, _ in held} <= {Action.TRIGGER, Action.RETRIGGER}
    assert len(held) == 2
    assert all(new.action is Action.BLOCKED and not new.sends and new.reason == decision.reason for _, new in held)


STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 30).map(Amount), st.integers(1, 100).map(lambda n: Amount(n, True))),
        st.sampled_from([StepGate.SUCCEEDED, StepGate.FINISHED]),
        st.sampled_from([0, 60]),
    ),
    min_size=1,
    max_size=4,
).map(lambda found: tuple(RolloutStep(*one) for one in found))


@settings(deadline=None)
@given(steps=STEPS, runs=st.integers(0, 40), seed=st.integers(0, 2**32))
def test_no_step_is_ever_exceeded(steps: tuple[RolloutStep, ...], runs: int, seed: int) -> None:
    """Applies that die, runs that end as they like, runs that are added: whatever happens."""
    chance = random.Random(seed)
    it = fleet(*steps, runs=runs)
    reached = 0
    for turn in range(60):
        if chance.random() < 0.2:
            it.declare(f"added-{turn}")
        it.now_ms += chance.randrange(3) * MINUTE_MS
        for address in list(it.running):
            if it.states[address] is RunState.STARTED and chance.random() < 0.5:
                it.end(address, state=chance.choice([RunState.SUCCESS, RunState.SUCCESS, RunState.FAILED]))
        before = set(it.running)
        it.apply(sends=chance.choice([0.0, 0.5, 1.0]), chance=chance)
        if it.progress is None:
            reached = 0
            continue
        assert it.progress.step >= reached, "a rollout never goes back"
        reached = it.progress.step
        started = {address for address in it.running if address in it.members}
        assert set(it.running) - before <= set(it.members)
        total = len(it.members) + sum(address not in it.members for address in it.pending)
        if it.progress.step < len(steps):
            amount = steps[it.progress.step].amount
            # Steps of numbers and of percentages may be mixed, so an earlier one may have allowed more.
            allowed = max(
                step.amount.of(total) if step.amount.is_percent else int(step.amount.value)
                for step in steps[: it.progress.step + 1]
            )
            assert len(started) <= max(allowed, 1), (amount, total)


@given(names=st.sets(st.text("abcdef", min_size=1), min_size=2, max_size=30), extra=st.sets(st.text("xyz", min_size=1)))
def test_added_runs_change_nothing_for_the_others(names: set[str], extra: set[str]) -> None:
    share = Amount(25, True)
    few, many = Fleet(Rollout((RolloutStep(share),))), Fleet(Rollout((RolloutStep(share),)))
    few.declare(*names)
    many.declare(*names, *extra)
    order = sorted(few.declared, key=rank)
    assert few.apply() == set(order[: ceil(len(order) / 4)])
    assert [address for address in sorted(many.declared, key=rank) if address in few.declared] == order
    gone = many.apply()
    chosen = [address for address in order if address in gone]
    assert chosen == order[: len(chosen)], "of those, the same ones go first"


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_edited_steps_let_nobody_go_beyond_them_and_it_comes_to_an_end(chance: random.Random) -> None:
    def steps() -> tuple[RolloutStep, ...]:
        counts = sorted(chance.sample(range(1, 12), chance.randint(1, 4)))
        return tuple(
            RolloutStep(Amount(count), chance.choice([StepGate.SUCCEEDED, StepGate.FINISHED])) for count in counts
        )

    rolling = fleet(*steps(), runs=12)
    for _ in range(12):
        if chance.random() < 0.4:
            rolling.rollout = Rollout(steps())
        if chance.random() < 0.1:
            rolling.declare(*chance.sample([f"r{index}" for index in range(12)], 2), version=str(chance.random()))
        if chance.random() < 0.6:
            rolling.end()
        before = set(rolling.running.items())
        started = rolling.apply(sends=0.6, chance=chance)
        if rolling.progress is None or not started:
            continue
        let_go = {(address, text) for address, text in rolling.members.items() if rolling.running.get(address) == text}
        step, plan = rolling.progress.step, rolling.rollout.steps
        allowed = 12 if step >= len(plan) else plan[step].amount.of(12)
        assert len(let_go) <= max(allowed, len(let_go & before))
    for _ in range(20):
        rolling.end()
        rolling.apply()
    assert not rolling.pending
