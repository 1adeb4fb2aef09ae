"""The options that commands share, in bundles.

A bundle is a decorator: it adds its options, and passes the command one object made of them. Output options take effect
as soon as they are read, so that even an error in a later option follows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import click

from wfdeploy.cli.command import Option, app_of, offering
from wfdeploy.cli.output import ColorMode, LogFormat, View
from wfdeploy.errors import UsageError
from wfdeploy.model.options import MOST_CONCURRENT, ApplyOptions, TargetOptions

if TYPE_CHECKING:
    from wfdeploy.model.plan import Selection
    from wfdeploy.model.project import Shard

Function: TypeAlias = Callable[..., Any]
Decorator: TypeAlias = Callable[[Function], Function]
_E = TypeVar("_E", ColorMode, LogFormat, View)
_T = TypeVar("_T", TargetOptions, ApplyOptions)


class FiniteRange(click.FloatRange):
    """A number within bounds; unlike click's own, not "nan", which is within any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).strip().lower().lstrip("+-") == "nan":
            self.fail("it is not a number.", param, ctx)
        return super().convert(value, param, ctx)


def _shard(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> Shard | None:
    """`I/N`, for an option's `callback`."""
    if value is None:
        return None
    from wfdeploy.model.project import parse_shard

    try:
        return parse_shard(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def _variables(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE`, any number of times, for an option's `callback`."""
    found: dict[str, str] = {}
    for item in values:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"'{item}' is not NAME=VALUE.")
        found[name] = value
    return found


def _set(attribute: str, kind: Callable[[str], _E]) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            setattr(app_of(ctx).output, attribute, kind(value))

    return callback


def _louder(ctx: click.Context, _parameter: click.Parameter, value: int) -> None:
    app_of(ctx).output.verbosity += value


def _quieter(ctx: click.Context, _parameter: click.Parameter, value: int) -> None:
    app_of(ctx).output.verbosity -= value


_output = partial(click.option, cls=Option, heading="Output", expose_value=False, is_eager=True)
_place = partial(click.option, cls=Option, heading="Where to work")
selecting = partial(click.option, cls=Option, heading="Selection")
_limit = partial(click.option, cls=Option, heading="Limits and confirmation")

_COLOR = _output(
    "--color",
    type=click.Choice([mode.value for mode in ColorMode]),
    callback=_set("color", ColorMode),
    help="When to use colour; auto: on a terminal, unless NO_COLOR is set.  [default: auto]",
)
_VERBOSE = _output(
    "-v",
    "--verbose",
    count=True,
    callback=_louder,
    help="More output; repeat for more.",
)
_QUIET = _output(
    "-q",
    "--quiet",
    count=True,
    callback=_quieter,
    help="Only results, warnings and errors; -qq: no warnings either.",
)
_LOG_FORMAT = _output(
    "--log-format",
    type=click.Choice([format_.value for format_ in LogFormat]),
    callback=_set("log_format", LogFormat),
    help="Format of standard error: text for people, or one JSON object per line.  [default: text]",
)
_OUTPUT = _output(
    "-o",
    "--output",
    type=click.Choice([view.value for view in View]),
    callback=_set("view", View),
    help="Format of the result on standard output.  [default: text]",
)


def log(function: Function) -> Function:
    """Add --color, -v, -q and --log-format; pass `app`."""
    return _COLOR(_VERBOSE(_QUIET(_LOG_FORMAT(_pass_app(function)))))


def view(function: Function) -> Function:
    """Add --output and what `log` adds; pass `app`."""
    return _OUTPUT(log(function))


def _pass_app(function: Function) -> Function:
    @wraps(function)
    def with_app(**flags: Any) -> Any:
        return function(app=app_of(click.get_current_context()), **flags)

    return with_app


def _bundle(name: str, make: Callable[[dict[str, Any]], object], added: Sequence[Decorator]) -> Decorator:
    """Add these options, and pass one object. `make` builds it from the command line's values, and takes out those that
    it used."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def with_object(**flags: Any) -> Any:
            try:
                made = make(flags)
            except UsageError as error:
                raise click.UsageError(error.message, click.get_current_context()) from error
            return function(**{name: made}, **flags)

        result: Function = with_object
        for option in reversed(added):
            result = option(result)
        return result

    return decorate


def _values(kind: type[_T]) -> Callable[[dict[str, Any]], _T]:
    """Make a dataclass of the options that are called like its fields."""

    def make(flags: dict[str, Any]) -> _T:
        names = [field.name for field in fields(kind)]
        return kind(**{name: flags.pop(name) for name in names if name in flags})

    return make


_PROJECT = (
    _place(
        "--project-file",
        metavar="FILE",
        shell_complete=offering("files"),
        help="Project file.  [default: wfdeploy.yaml here or in a directory above]",
    ),
    _place(
        "--env-file",
        metavar="FILE",
        shell_complete=offering("files"),
        help="Read variables from a .env file; those already set win.",
    ),
    _place(
        "--allow",
        metavar="KIND=PATTERN",
        multiple=True,
        help="What the project may use: token=VARIABLE, secret=NAME, url=HOST, state=ORIGIN, notify=HOST, path=PATH. "
        "May be repeated.  [default: the variable WFDEPLOY_ALLOW]",
    ),
)


def _environment(help_: str) -> Decorator:
    return _place("-e", "--environment", metavar="NAME", shell_complete=offering("environments"), help=help_)


target = _bundle(
    "target",
    _values(TargetOptions),
    (
        _environment("Environment of the project file to work on."),
        _place("--local", is_flag=True, help="Work on a server embedded in this process; no account needed."),
        _place(
            "--url",
            metavar="URL",
            help="Server to talk to.  [default: QSTASH_URL (not with -e), then the project file]",
        ),
        _place(
            "--token-file",
            metavar="FILE",
            shell_complete=offering("files"),
            help="Read the token from a file (- for standard input).  [default: the variable QSTASH_TOKEN]",
        ),
        _place(
            "--state",
            metavar="PATH|URL",
            shell_complete=offering("files"),
            help="State file, or the URL of a shared state (s3://, gs://, az://, postgresql://).  [default: that of "
            "the project file, else .wfdeploy/state/ENVIRONMENT.db]",
        ),
        _place(
            "--shard",
            metavar="I/N",
            callback=_shard,
            help="Only the I-th of N parts of all runs, which has a state of its own.",
        ),
        *_PROJECT,
    ),
)
"""Add the options that choose project, environment, server and state; pass `target`."""

project = _bundle("target", _values(TargetOptions), (_environment("Environment whose variables apply."), *_PROJECT))
"""Add the options of commands that read manifests and contact no server; pass `target`."""

_VAR = selecting(
    "--var",
    "variables",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_variables,
    help="Set ${{ vars.NAME }}; beats the project file. May be repeated.",
)
_TARGET = selecting(
    "--target",
    "targets",
    metavar="GLOB",
    multiple=True,
    shell_complete=offering("globs"),
    help="Only addresses that match (* and ?; brackets are literal). May be repeated.",
)

_REFRESH = selecting(
    "--refresh",
    type=click.Choice(["auto", "all", "off"]),
    default="auto",
    help="Which recorded runs to inspect first: those whose state decides something, all that may still be running, or "
    "none.  [default: auto]",
)

variables = _VAR
"""Add --var alone; pass `variables`."""


def selection(*, replace: bool = True, prune: bool = True) -> Decorator:
    """Add what narrows or forces a plan; pass `selection`."""
    added = [_TARGET]
    if replace:
        added.append(
            selecting(
                "--replace",
                metavar="ADDRESS",
                multiple=True,
                shell_complete=offering("addresses"),
                help="Trigger this run again although nothing changed. May be repeated.",
            )
        )
    added.append(selecting("--limit", metavar="N", type=int, help="At most N runs, first by address."))
    if prune:
        added.append(selecting("--prune", is_flag=True, help="Forget recorded runs that are no longer declared."))
        added.append(_REFRESH)
    return _bundle("selection", _selected, [*added, _VAR])


def _selected(flags: dict[str, Any]) -> Selection:
    from wfdeploy.model.plan import Refresh, Selection

    return Selection(
        targets=flags.pop("targets"),
        replace=flags.pop("replace", ()),
        limit=flags.pop("limit"),
        prune=flags.pop("prune", False),
        refresh=Refresh(flags.pop("refresh", "auto")),
        variables=flags.pop("variables"),
    )


_ASKS = {
    "always": "Don't ask. Without a terminal nobody can be asked, so there it is needed.",
    "cancels": "Don't ask. Without a terminal nobody is asked, and it is needed where runs are cancelled, or triggered "
    "again with --replace.",
    "never": "Don't ask. Without a terminal nobody is asked anyway.",
}


def yes(needed: Literal["always", "cancels", "never"]) -> Decorator:
    """Add --yes; pass `yes`. `needed`: where there is no terminal."""
    return click.option("-y", "--yes", is_flag=True, help=_ASKS[needed])


dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
"""Add --dry-run; pass `dry_run`."""

_APPLY_LIMITS = (
    _limit(
        "--create-state", is_flag=True, help="Create a state where the project file requires one and there is none."
    ),
    _limit("--max-triggers", metavar="N", type=click.IntRange(min=0), help="Refuse a plan that would send more."),
    _limit(
        "--allow-retrigger",
        is_flag=True,
        help="Allow more than 100 runs to be triggered again, new runs that the server may know by another name, and "
        "failed ones that somebody may have restarted elsewhere.",
    ),
    _limit(
        "--allow-cancel",
        is_flag=True,
        help="Allow more than 100 runs to be cancelled, and those of a generator that makes none any more.",
    ),
    _limit("--batch-size", metavar="N", type=click.IntRange(min=1), help="At most N runs in one request."),
    _limit(
        "--concurrency",
        metavar="N",
        type=click.IntRange(1, MOST_CONCURRENT),
        help="At most N requests at once, fewer while the server is slow or in trouble.  [default: 64]",
    ),
    _limit("--max-rate", metavar="N", type=FiniteRange(min=0, min_open=True), help="At most N runs a second."),
    _limit(
        "--timeout",
        "timeout_s",
        metavar="SECONDS",
        type=FiniteRange(min=0),
        default=300.0,
        help="How long all waits may take together: for rate limits, retries, lost answers.  [default: 300]",
    ),
    _limit(
        "--lock-timeout",
        "lock_timeout_s",
        metavar="SECONDS",
        type=FiniteRange(min=0),
        default=0.0,
        help="How long to wait for the lock of the state.  [default: 0]",
    ),
    _limit(
        "--wait-timeout",
        "wait_timeout_s",
        metavar="SECONDS",
        type=FiniteRange(min=0),
        default=None,
        help="How long to follow the runs, with --local or --wait.  [default: 60; 3600 with --wait]",
    ),
)


apply_limits = _bundle("limits", _values(ApplyOptions), _APPLY_LIMITS)
"""Add the options of `ApplyOptions`, without --wait, which apply alone has; pass `limits`."""


def paths(function: Function) -> Function:
    """Add PATH...; pass `paths`: None when none is given, which means the project's manifests."""

    @wraps(function)
    def with_paths(*, paths: tuple[str, ...], **flags: Any) -> Any:
        return function(paths=paths or None, **flags)

    return click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())(with_paths)


offline = click.option(
    "--offline", is_flag=True, help="Don't contact the server; runs are shown as they were last observed."
)
"""Add --offline to a command that shows runs; pass `offline`."""
