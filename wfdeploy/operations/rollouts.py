"""Show and steer rollouts. The next apply carries out what is decided here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import replace

from wfdeploy.errors import UsageError
from wfdeploy.manifests.loading import load, with_sound_cache
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import Rollout, RolloutMode, RolloutProgress, RolloutView, StepGate
from wfdeploy.model.edits import PutProgress
from wfdeploy.model.observed import NOT_SUCCEEDED, RunState
from wfdeploy.model.plan import Selection
from wfdeploy.operations.status import lacks_token, live_runs
from wfdeploy.ports import StateReader
from wfdeploy.workspace import Workspace

_BADLY = (RunState.FAILED, RunState.CANCELED)


def status(
    workspace: Workspace, groups: Sequence[str], paths: Sequence[str] | None = None, *, offline: bool = False
) -> Sequence[RolloutView]:
    """The rollouts of these groups, by name; without groups, all that are declared or under way.

    The released runs that may still change are read from the server, as by `status`, and nothing is recorded. Offline,
    or without a token, they count as last observed.

    Raises: `InvalidInput`, `StateError`, `RemoteFailure`; `UsageError` for a group that has none.
    """
    workspace.require_named_state()

    def once() -> Sequence[_Recorded]:
        with load(workspace, paths, Selection()) as manifests, closing(workspace.open_state(readonly=True)) as store:
            declared = {name: group.rollout for name, group in manifests.groups.items() if group.rollout is not None}
            under_way = store.rollouts()
            known = {*declared, *under_way}
            _require(groups, known)
            return [_Recorded(store, name, declared.get(name), under_way.get(name)) for name in sorted(groups or known)]

    recorded = with_sound_cache(workspace, once)
    moving = [standing for group in recorded for standing in group.moving]
    if offline or not moving or lacks_token(workspace):
        return [group.view({}) for group in recorded]

    async def live() -> Mapping[Address, RunState]:
        async with aclosing(workspace.gateway()) as gateway:
            runs, _ = await live_runs(workspace, gateway, moving)
            return {address: run.state for address, run in runs.items()}

    states = asyncio.run(live())
    return [group.view(states) for group in recorded]


class _Recorded:
    """What the state has of a group's rollout."""

    def __init__(
        self, store: StateReader, name: str, rollout: Rollout | None, progress: RolloutProgress | None
    ) -> None:
        self._group = name, rollout, progress
        members = store.members(name)
        self._released = len(members)
        self._recorded = sum(1 for _ in store.records(members))
        self._standings = [one for one in store.standings(NOT_SUCCEEDED, name) if one.address in members]
        self.moving = [one for one in self._standings if one.run_state is None or not one.run_state.is_final]

    def view(self, live: Mapping[Address, RunState]) -> RolloutView:
        """How it stands, by the states that the server showed."""
        states = Counter(live.get(one.address, one.run_state) for one in self._standings)
        stale = [one.observed_at_ms for one in self.moving if one.address not in live]
        name, rollout, progress = self._group
        return RolloutView(
            group=name,
            rollout=rollout,
            progress=progress,
            released=self._released,
            running=states[RunState.STARTED],
            succeeded=self._recorded - len(self._standings) + states[RunState.SUCCESS],
            failed=sum(states[state] for state in _BADLY),
            stale=len(stale),
            seen_at_ms=min((time_ms for time_ms in stale if time_ms is not None), default=None),
        )


def approve(workspace: Workspace, group: str) -> RolloutProgress:
    """Approve the step that waits. Raises: `StateError`; `UsageError` when no rollout of the group is under way, and
    when there is nothing to approve."""

    def change(progress: RolloutProgress, _: int) -> RolloutProgress:
        if progress.steps and progress.gate is not StepGate.APPROVED:
            step = f"step {progress.step + 1} waits until its runs have {progress.gate.value}" if progress.gate else ""
            why = step or "all of its runs are released"
            raise _idle(group, f"the rollout of {group} waits for no approval: {why}")
        if progress.approved > progress.step:
            raise _idle(group, f"step {progress.step + 1} of the rollout of {group} is already approved")
        return replace(progress, approved=progress.step + 1)

    return _steer(workspace, group, change)


def pause(workspace: Workspace, group: str) -> RolloutProgress:
    """Release no more runs for now. Raises: see `approve`."""
    return _steer(workspace, group, lambda progress, _: _in_mode(progress, RolloutMode.PAUSED))


def resume(workspace: Workspace, group: str) -> RolloutProgress:
    """Go on, tolerating the failures so far. Raises: see `approve`."""

    def change(progress: RolloutProgress, failed: int) -> RolloutProgress:
        resumed = replace(progress, mode=RolloutMode.RUNNING, tolerated=failed)
        if resumed == progress:
            raise _idle(group, f"the rollout of {group} is running: there is nothing to resume")
        return resumed

    return _steer(workspace, group, change)


def abort(workspace: Workspace, group: str) -> RolloutProgress:
    """Release no more runs until the released ones have changed, or somebody resumes the rollout. Raises: see
    `approve`."""
    return _steer(workspace, group, lambda progress, _: _in_mode(progress, RolloutMode.ABORTED))


def _in_mode(progress: RolloutProgress, mode: RolloutMode) -> RolloutProgress:
    if progress.mode is mode:
        raise _idle(progress.group, f"the rollout of {progress.group} is already {mode.value}")
    return replace(progress, mode=mode, open_since_ms=None)


def _idle(group: str, why: str) -> UsageError:
    return UsageError(why, hint=f"`wfdeploy rollout status {group}` shows what it waits for")


def _steer(
    workspace: Workspace, group: str, change: Callable[[RolloutProgress, int], RolloutProgress]
) -> RolloutProgress:
    workspace.require_state()
    with workspace.lock(), closing(workspace.open_state()) as store:
        under_way = store.rollouts()
        _require([group], set(under_way))
        progress = change(under_way[group], _Recorded(store, group, None, under_way[group]).view({}).failed)
        workspace.commit(store, [PutProgress(progress)])
    return progress


def _require(groups: Sequence[str], known: set[str]) -> None:
    for group in groups:
        if group not in known:
            from difflib import get_close_matches

            near = get_close_matches(group, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`wfdeploy rollout status` shows which there are"
            raise UsageError(f"no rollout of the group {group} is known", hint=hint)
