"""Rollouts, looked at and steered. What is decided here is carried out by the next apply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

from wfdeploy.errors import StateError, UsageError
from wfdeploy.manifests.loading import load, with_sound_cache
from wfdeploy.model.blocking import Mode, Progress, Rollout, RolloutView
from wfdeploy.model.edits import PutProgress
from wfdeploy.model.plan import Selection
from wfdeploy.model.remote import RunState
from wfdeploy.operations.state import write
from wfdeploy.ports import StateReader
from wfdeploy.workspace import Workspace

_OTHERS = (None, *(state for state in RunState if state is not RunState.SUCCESS))
_BADLY = (RunState.FAILED, RunState.CANCELED)


def status(workspace: Workspace, groups: Sequence[str], paths: Sequence[str] | None = None) -> Sequence[RolloutView]:
    """The rollouts of these groups (all that are declared or under way, without any), by name.

    Raises: `InvalidInput`, `StateError`; `UsageError` for a group that has none.
    """

    def once() -> Sequence[RolloutView]:
        with load(workspace, paths, Selection()) as manifests, closing(workspace.open_state(readonly=True)) as store:
            declared = {name: group.rollout for name, group in manifests.groups.items() if group.rollout is not None}
            under_way = store.rollouts()
            known = {*declared, *under_way}
            _require(groups, known)
            return [_view(store, name, declared.get(name), under_way.get(name)) for name in sorted(groups or known)]

    return with_sound_cache(workspace, once)


def _view(store: StateReader, name: str, rollout: Rollout | None, progress: Progress | None) -> RolloutView:
    members = store.members(name)
    recorded = {record.address for record in store.records(members)}
    states = {one.address: one.run_state for one in store.standings(_OTHERS, name) if one.address in members}
    return RolloutView(
        group=name,
        rollout=rollout,
        progress=progress,
        released=len(members),
        succeeded=len(recorded) - len(states),
        failed=sum(state in _BADLY for state in states.values()),
    )


def approve(workspace: Workspace, group: str) -> Progress:
    """Open the gate of the step that waits. Raises: `UsageError` when no rollout is under way."""
    return _steer(workspace, group, lambda progress, _: replace(progress, approved=progress.step + 1))


def pause(workspace: Workspace, group: str) -> Progress:
    """Let no more runs go."""
    return _steer(workspace, group, lambda progress, _: replace(progress, mode=Mode.PAUSED, open_since_ms=None))


def resume(workspace: Workspace, group: str) -> Progress:
    """Go on. Failures so far are taken note of, and don't stop it again."""
    return _steer(workspace, group, lambda progress, failed: replace(progress, mode=Mode.RUNNING, tolerated=failed))


def abort(workspace: Workspace, group: str) -> Progress:
    """Give it up: no more runs are let go until what was let go has changed, or somebody resumes it."""
    return _steer(workspace, group, lambda progress, _: replace(progress, mode=Mode.ABORTED, open_since_ms=None))


def _steer(workspace: Workspace, group: str, change: Callable[[Progress, int], Progress]) -> Progress:
    if not workspace.has_state:
        raise StateError(f"there is no state {workspace.target.state_file}", hint="--state names another")
    with workspace.lock(), closing(workspace.open_state()) as store:
        under_way = store.rollouts()
        _require([group], set(under_way))
        view = _view(store, group, None, under_way[group])
        progress = change(under_way[group], view.failed)
        write(workspace, store, [PutProgress(progress)])
    return progress


def _require(groups: Sequence[str], known: set[str]) -> None:
    for group in groups:
        if group not in known:
            from difflib import get_close_matches

            near = get_close_matches(group, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`wfdeploy rollout status` shows which there are"
            raise UsageError(f"no rollout of the group {group} is known", hint=hint)
