"""`--fail-on`: an exit code of its own for states that runs shouldn't stay in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli.command import Option
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wfdeploy.cli.output import Output
    from wfdeploy.model.fail_state import FailState
    from wfdeploy.workspace import Workspace


def _fail_states(
    _ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> frozenset[FailState] | None:
    if not values:
        return None
    from wfdeploy.model.fail_state import fail_states

    return fail_states(values)


def _to_complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: lists of states with one more."""
    from wfdeploy.model.fail_state import FailState

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{state.value}" for state in FailState if state.value.startswith(last)]


fail_on = click.option(
    "--fail-on",
    cls=Option,
    metavar="STATE,...",
    multiple=True,
    callback=_fail_states,
    shell_complete=_to_complete,
    help="End with exit code 7 if a run is in this state, or one of several: failed, cancelled, missing, blocked. May "
    "be repeated.",
)
"""Add --fail-on; pass `fail_on`: None where it isn't given."""


def require_all_runs(fail_on: Collection[FailState] | None, *selection: Collection[object]) -> None:
    """For commands that know recorded runs alone. Raises: `UsageError` for blocked runs in a selection."""
    from wfdeploy.errors import UsageError
    from wfdeploy.model.fail_state import FailState

    if FailState.BLOCKED in (fail_on or ()) and any(selection):
        raise UsageError(
            "blocked runs are not recorded one by one, so --fail-on blocked makes no sense beside a selection of runs",
            hint="leave out the selection; or use `wfdeploy apply --target GLOB --fail-on blocked`",
        )


def also_blocked(
    workspace: Workspace, fail_on: Collection[FailState] | None, found: frozenset[FailState]
) -> frozenset[FailState]:
    """The found states, and whether runs are blocked, where that is asked: it is read from the state."""
    from wfdeploy.model.fail_state import FailState
    from wfdeploy.operations.status import holds_back

    is_blocked = fail_on is not None and FailState.BLOCKED in fail_on and holds_back(workspace)
    return found | {FailState.BLOCKED} if is_blocked else found


def matching(fail_on: Collection[FailState] | None, found: Collection[FailState]) -> Sequence[str] | None:
    """The words of the states that are both asked and found, in a fixed order; None where nothing is asked."""
    if fail_on is None:
        return None
    from wfdeploy.model.fail_state import FailState

    return [state.value for state in FailState if state in fail_on and state in found]


def worse(output: Output, code: ExitCode, failed_on: Sequence[str] | None) -> ExitCode:
    """The exit code of a command that found these states. One that isn't 0 already stays."""
    if code is not ExitCode.OK or not failed_on:
        return code
    output.note(f"some runs are {' or '.join(failed_on)} (--fail-on), so the exit code is {ExitCode.PARTIAL}")
    return ExitCode.PARTIAL
