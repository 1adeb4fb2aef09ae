"""The question before an apply, and what an apply warns of, asked or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.cli.output import LogFormat, Output
from wfdeploy.cli.progress import pause
from wfdeploy.cli.settings import as_typed
from wfdeploy.render import plan_text

if TYPE_CHECKING:
    from wfdeploy.cli.signals import Stopper
    from wfdeploy.model.plan import Plan
    from wfdeploy.ports import Listener


_MOST_WARNINGS = 5


class Asker:
    """Shows the plan and asks. Nobody is asked with `--yes`, nor where nobody sits at a terminal."""

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
        """Tell these, unless they were told with the plan: where there is nothing to do, no plan is shown."""
        output = self._output
        fresh = [text for text in dict.fromkeys(warnings) if text not in self._warned]
        self._warned.update(fresh)
        most = _MOST_WARNINGS if output.verbosity <= 0 and output.log_format is LogFormat.TEXT else len(fresh)
        for text in fresh[:most]:
            output.warn(text)
        if len(fresh) > most:
            output.warn(f"{len(fresh) - most:,} more like these", "-v shows them")
