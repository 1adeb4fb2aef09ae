"""Commands that change something: the question before it, the warnings, and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.cli.output import LogFormat, Output
from wfdeploy.cli.progress import pause
from wfdeploy.errors import ExitCode, Interrupted
from wfdeploy.render import plan_text
from wfdeploy.wiring.settings import as_typed

if TYPE_CHECKING:
    from wfdeploy.cli.output import App
    from wfdeploy.cli.signals import Stopper
    from wfdeploy.model.event import ApplyReport
    from wfdeploy.model.options import StopFlag, TargetOptions
    from wfdeploy.model.plan import Plan
    from wfdeploy.ports import Listener
    from wfdeploy.wiring.settings import Settings
    from wfdeploy.workspace import Workspace


_MOST_WARNINGS = 5


class Asker:
    """The question before a change, after showing its plan. Nobody is asked with `--yes`, or without a terminal."""

    def __init__(self, output: Output, stopper: Stopper, listener: Listener, *, yes: bool, question: str) -> None:
        self._output = output
        self._stopper = stopper
        self._listener = listener
        self._yes = yes
        self._question = question
        self._warned: set[str] = set()

    def __call__(self, plan: Plan) -> bool:
        output = self._output
        asks = not self._yes and output.can_ask
        pause(self._listener)
        shown = replace(plan, state=as_typed(plan.state, Path.cwd()), warnings=())
        # On standard error: standard output is for the report. Who is asked has to see what about, -q or not.
        lines = plan_text.text(
            shown,
            output.error_style,
            width=output.error_width,
            everything=output.verbosity > 0,
            in_full="-v lists every run",
        )
        if output.log_format is LogFormat.TEXT:
            output.block("".join(lines) + "\n", always=asks)
        elif asks:
            output.note(plan_text.counts(plan))
        self.warn(plan.warnings)
        if not asks:
            return True
        with self._stopper.impatient():
            return output.ask(self._question)

    def warn(self, warnings: Iterable[str]) -> None:
        """Show these warnings, unless they were shown with the plan; where there is nothing to do, no plan is shown."""
        output = self._output
        fresh = [text for text in dict.fromkeys(warnings) if text not in self._warned]
        self._warned.update(fresh)
        most = _MOST_WARNINGS if output.verbosity <= 0 and output.log_format is LogFormat.TEXT else len(fresh)
        for text in fresh[:most]:
            output.warn(text)
        if len(fresh) > most:
            output.warn(f"{len(fresh) - most:,} more like these", "-v shows them")


def confirm_and_report(
    app: App,
    target: TargetOptions,
    chosen: Settings,
    act: Callable[[Workspace, Asker, StopFlag], ApplyReport],
    *,
    question: str,
    yes: bool,
    budget_s: float = 300.0,
) -> ExitCode:
    """Change something after the user has confirmed it, and show the report. Return the exit code."""
    from wfdeploy.cli import signals, surroundings
    from wfdeploy.cli.surroundings import command_line
    from wfdeploy.render import report as view

    output = app.output
    with surroundings.opened(app, chosen, budget_s=budget_s) as workspace, signals.stop_on_signal() as stopper:
        confirm = Asker(output, stopper, workspace.listener, yes=yes, question=question)
        try:
            report = act(workspace, confirm, stopper.flag)
        except Interrupted as error:
            error.exit_code = stopper.exit_code or error.exit_code
            raise
    confirm.warn(report.warnings)
    everything, status = output.verbosity > 0, command_line("status", target)
    text = view.text(report, output.style, width=output.width, everything=everything, status=status)
    output.show(view.json_text(report), text)
    return exit_code_of(report, stopper.exit_code)


def exit_code_of(report: ApplyReport, signalled: ExitCode | None = None) -> ExitCode:
    """`signalled`: the exit code of the signal that requested a stop. It counts only when something was left undone,
    following the runs included."""
    return signalled if signalled is not None and report.is_cut_short else report.exit_code
