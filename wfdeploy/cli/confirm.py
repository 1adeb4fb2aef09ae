"""The question before an apply."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.cli.output import LogFormat, Output
from wfdeploy.cli.progress import pause
from wfdeploy.cli.settings import as_typed
from wfdeploy.render import plan_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfdeploy.cli.signals import Stopper
    from wfdeploy.model.plan import Plan
    from wfdeploy.ports import Listener


def asker(output: Output, stopper: Stopper, listener: Listener, *, yes: bool, question: str) -> Callable[[Plan], bool]:
    """Shows the plan and asks. Nobody is asked with `--yes`, nor where nobody sits at a terminal."""

    def confirm(plan: Plan) -> bool:
        asks = not yes and output.can_ask
        pause(listener)
        plan = replace(plan, state=as_typed(plan.state, Path.cwd()))
        # On standard error: standard output is for the report. Who is asked has to see what about, -q or not.
        lines = plan_text.text(plan, output.error_style, width=output.error_width)
        if output.log_format is LogFormat.TEXT:
            output.block("".join(lines) + "\n", always=asks)
        elif asks:
            output.note(plan_text.counts(plan))
        if not asks:
            return True
        with stopper.impatient():
            return output.ask(question)

    return confirm
