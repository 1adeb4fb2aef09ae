"""The arguments of commands that are about recorded runs."""

from __future__ import annotations

from functools import wraps
from typing import Any

import click

from wfdeploy.cli.command import Option
from wfdeploy.cli.options import Decorator, Function

_LABELS = click.option(
    "-l",
    "--label",
    "labels",
    metavar="LABEL",
    cls=Option,
    heading="Selection",
    multiple=True,
    help="Only runs with this label, or one of several. May be repeated.",
)


def recorded_runs(*, required: bool) -> Decorator:
    """Adds ADDRESS-GLOB... and --label; passes `globs` and `labels`. `required`: at least one of them."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def with_runs(*, globs: tuple[str, ...], labels: tuple[str, ...], **flags: Any) -> Any:
            if required and not globs and not labels:
                raise click.UsageError("Say which runs: an address, a glob such as 'group/*', or --label.")
            return function(globs=globs, labels=labels, **flags)

        return click.argument("globs", metavar="[ADDRESS-GLOB]...", nargs=-1)(_LABELS(with_runs))

    return decorate
