"""The options that select recorded runs."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from wfdeploy.cli.command import offering
from wfdeploy.cli.options import Function, selecting

if TYPE_CHECKING:
    from wfdeploy.model.status import ShownState

_LABELS = selecting(
    "-l",
    "--label",
    "labels",
    metavar="LABEL",
    multiple=True,
    shell_complete=offering("labels"),
    help="Only runs with this label, or one of several. May be repeated.",
)


def _run_states(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> frozenset[ShownState]:
    """States of runs, for an option's `callback`."""
    if not values:
        return frozenset()
    from wfdeploy.model.status import run_states

    return run_states(values)


def _states_to_complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: lists of states with one more."""
    from wfdeploy.model.status import ShownState

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{state.value}" for state in ShownState if state.value.startswith(last)]


_RUN_STATE = selecting(
    "--run-state",
    "run_states",
    metavar="STATE,...",
    multiple=True,
    callback=_run_states,
    shell_complete=_states_to_complete,
    help="Only runs in this state, or one of several: running, succeeded, failed, cancelled, unknown, missing, "
    "expired, not-seen, outcome-unknown, rejected. May be repeated.",
)
_FAILED = selecting("--failed", is_flag=True, help="Only failed runs: as --run-state failed.")


def runs_in_states(function: Function) -> Function:
    """Add what `recorded_runs` adds, --run-state and --failed; pass `globs`, `labels` and `states`."""

    @wraps(function)
    def with_states(*, run_states: frozenset[ShownState], failed: bool, **flags: Any) -> Any:
        if failed:
            from wfdeploy.model.status import ShownState

            run_states |= {ShownState.FAILED}
        return function(states=run_states, **flags)

    return recorded_runs(_RUN_STATE(_FAILED(with_states)))


def recorded_runs(function: Function) -> Function:
    """Add ADDRESS-GLOB... and --label; pass `globs` and `labels`."""
    globs = click.argument("globs", metavar="[ADDRESS-GLOB]...", nargs=-1, shell_complete=offering("globs"))
    return globs(_LABELS(function))
