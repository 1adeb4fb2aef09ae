"""Commands that change something: the question before it, the warnings, and the report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from wfdeploy.cli.output import LogFormat, Output, View
from wfdeploy.cli.progress import pause
from wfdeploy.cli.report_formats import ReportFormat
from wfdeploy.errors import ExitCode, Interrupted, Withheld
from wfdeploy.model.address import shell_word
from wfdeploy.render import plan_text
from wfdeploy.wiring.settings import as_typed

if TYPE_CHECKING:
    from wfdeploy.cli.output import App
    from wfdeploy.cli.reports import Maker, Reports
    from wfdeploy.cli.signals import Stopper
    from wfdeploy.model.event import ApplyReport
    from wfdeploy.model.fail_state import FailState
    from wfdeploy.model.options import StopFlag, TargetOptions
    from wfdeploy.model.plan import Plan
    from wfdeploy.ports import Listener
    from wfdeploy.wiring.settings import Settings
    from wfdeploy.workspace import Workspace


_MOST_WARNINGS = 5


Weigh: TypeAlias = Callable[["Plan"], str | None]
"""Says what of a plan needs consent, as in `cancel 3 runs`; None for nothing."""


def require_yes(what: str, arguments: Sequence[str]) -> Withheld:
    """The error for what needs consent, where nobody can be asked. `what`: as in `cancel 3 runs`."""
    words = list(arguments)
    words.insert(words.index("--") if "--" in words else len(words), "--yes")
    return Withheld(
        f"this would {what}, and there is no terminal to ask at; nothing was done",
        hint=f"if it is meant: {' '.join(map(shell_word, ('wfdeploy', *words)))}",
    )


def agreed(app: App, question: str, what: str, *, yes: bool) -> bool:
    """Ask, unless `yes`. Raises: `Withheld` without a terminal. `what`: as in `cancel 3 runs`."""
    if yes:
        return True
    if not app.output.can_ask:
        raise require_yes(what, app.arguments)
    return app.output.ask(question)


class Asker:
    """The question before a change, after showing its plan. Nobody is asked with `--yes`. Without a terminal nobody can
    be: then what needs consent is withheld."""

    def __init__(
        self,
        output: Output,
        stopper: Stopper,
        listener: Listener,
        *,
        yes: bool,
        question: str,
        weigh: Weigh = lambda _: None,
        arguments: Sequence[str] = (),
        reports: Reports | None = None,
    ) -> None:
        """`arguments`: the command line, for the message that says how to consent. `reports`: to show the plan, too."""
        self._output = output
        self._stopper = stopper
        self._listener = listener
        self._yes = yes
        self._question = question
        self._weigh = weigh
        self._arguments = arguments
        self._reports = reports
        self._warned: set[str] = set()

    def __call__(self, plan: Plan) -> bool:
        output = self._output
        asks = not self._yes and output.can_ask
        if self._reports is not None:
            self._reports.plan(plan)
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
            what = None if self._yes else self._weigh(plan)
            if what is not None:
                raise require_yes(what, self._arguments)
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
    weigh: Weigh,
    budget_s: float = 300.0,
    fail_on: Collection[FailState] | None = None,
    reports: Reports | None = None,
) -> ExitCode:
    """Change something after the user has confirmed it, and show the report. Return the exit code."""
    from wfdeploy.cli import signals, surroundings
    from wfdeploy.cli.fail_on import matching, worse
    from wfdeploy.cli.surroundings import command_line
    from wfdeploy.render import report as view

    output = app.output
    with surroundings.opened(app, chosen, budget_s=budget_s) as workspace, signals.stop_on_signal() as stopper:
        confirm = Asker(
            output,
            stopper,
            workspace.listener,
            yes=yes,
            question=question,
            weigh=weigh,
            arguments=app.arguments,
            reports=reports,
        )
        try:
            report = act(workspace, confirm, stopper.flag)
        except Interrupted as error:
            error.exit_code = stopper.exit_code or error.exit_code
            raise
    confirm.warn(report.warnings)
    failed_on = matching(fail_on, report.fail_states)
    if reports is not None:
        reports.write(_reports_of(report, chosen, reports, failed_on))
    text = view.text(
        report,
        output.style,
        width=output.width,
        everything=output.verbosity > 0,
        command=lambda name: command_line(name, target),
    )
    output.show(view.json_text(report, failed_on=failed_on), text)
    return worse(output, exit_code_of(report, stopper.exit_code), failed_on)


def _reports_of(
    report: ApplyReport, chosen: Settings, reports: Reports, failed_on: Sequence[str] | None
) -> Mapping[ReportFormat, Maker]:
    def markdown(_: int) -> Iterator[str]:
        from wfdeploy.render import apply_markdown

        project = chosen.target.project
        return apply_markdown.text(
            report, project=project.name, environment=project.environment, planned=reports.planned
        )

    def json(_: int) -> Iterator[str]:
        from wfdeploy.render import report as view

        return view.json_text(report, failed_on=failed_on)

    def junit(_: int) -> Iterator[str]:
        from wfdeploy.render import junit

        return junit.of_apply(report)

    return {ReportFormat.MARKDOWN: markdown, ReportFormat.JSON: json, ReportFormat.JUNIT: junit}


def show_plan(app: App, chosen: Settings, plan: Plan) -> None:
    """Show the plan of a dry run as the command's result."""
    output = app.output
    shown = replace(plan, state=as_typed(plan.state, chosen.cwd))
    if output.view is View.JSON:
        from wfdeploy.render import plan_json

        output.payload(plan_json.text(shown))
        return
    words = ("wfdeploy", *(word for word in app.arguments if word != "--dry-run"))
    next_step = " ".join(map(shell_word, words)) if plan.has_changes else None
    everything = output.verbosity > 0
    output.payload(
        plan_text.text(
            shown,
            output.style,
            width=output.width,
            everything=everything,
            in_full="-v lists every run",
            next_step=next_step,
        )
    )
    output.note("nothing was done: this was a dry run")


def exit_code_of(report: ApplyReport, signalled: ExitCode | None = None) -> ExitCode:
    """`signalled`: the exit code of the signal that requested a stop. It counts only when something was left undone,
    following the runs included."""
    return signalled if signalled is not None and report.is_cut_short else report.exit_code
