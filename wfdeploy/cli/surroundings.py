"""The surroundings of a command: where it works, how it reports, and a command line that leads there again."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.errors import UsageError
from wfdeploy.wiring.settings import Settings, resolve, secret_values

if TYPE_CHECKING:
    from wfdeploy.cli.output import App, Output
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.model.plan import Selection
    from wfdeploy.ports import Listener
    from wfdeploy.workspace import Workspace


@contextmanager
def opened(
    app: App,
    where: TargetOptions | Settings,
    *,
    online: bool = True,
    budget_s: float = 300.0,
    under_lease: bool = True,
    only_bar: bool = False,
    listener: Listener | None = None,
) -> Iterator[Workspace]:
    """The surroundings of a command that reports what it does. Not `online`: it works on the state alone.

    under_lease: see `workspace`.
    only_bar: report nothing but a progress bar, where there can be one.
    listener: hears what happens, in place of a display of progress.
    """
    from wfdeploy.cli import progress
    from wfdeploy.wiring.assembly import workspace

    settings = where if isinstance(where, Settings) else resolve(where, app.environ)
    app.concealed.update(secret_values(settings.target, settings.environ))  # no report of a bug may hold these
    with (
        nullcontext(listener) if listener else (progress.bar if only_bar else progress.listener)(app.output) as heard,
        library_logs(app.output) if settings.target.local and online else nullcontext(),
        workspace(
            settings,
            heard,
            app.output,
            command=shlex.join(("wfdeploy", *app.arguments)),
            online=online,
            budget_s=budget_s,
            under_lease=under_lease,
        ) as surroundings,
    ):
        yield surroundings


def command_line(
    command: str, options: TargetOptions, arguments: Sequence[str] = (), selection: Selection | None = None
) -> str:
    """`wfdeploy COMMAND` with the arguments and flags that lead to the same place. `command`: one word or several."""
    from wfdeploy.model.address import shell_word
    from wfdeploy.render.terminal import without_passwords

    words = ["wfdeploy", *command.split(" ")]
    words += [f"./{path}" if path.startswith("-") and path != "-" else path for path in arguments]  # no option
    for name, value in (
        ("-e", options.environment),
        ("--url", options.url),
        ("--token-file", options.token_file),
        ("--state", options.state),
        ("--project-file", options.project_file),
        ("--env-file", options.env_file),
        ("--shard", options.shard),
    ):
        if value is not None:
            words += [name, without_passwords(str(value))]
    if options.local:
        words.append("--local")
    if selection is not None:
        for target in selection.targets:
            words += ["--target", target]
        for address in selection.replace:
            words += ["--replace", address]
        if selection.limit is not None:
            words += ["--limit", str(selection.limit)]
        if selection.prune:
            words.append("--prune")
        if selection.refresh.value != "auto":
            words.append(f"--refresh={selection.refresh.value}")
        for name, value in selection.variables.items():
            words += ["--var", f"{name}={value}"]
    return " ".join(map(shell_word, words))


@contextmanager
def library_logs(output: Output) -> Iterator[None]:
    """Show what libraries log where everything else is shown, and not past a progress bar or into a JSON log.

    Warnings of ours are warnings; those of libraries are details (-v), since a user can't act on them.
    """
    import logging

    from wfdeploy.render.terminal import printable

    class ToOutput(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text = f"{text}: {record.exc_info[1]!r}"
            if record.name.partition(".")[0] == "wfdeploy":
                output.warn(printable(text))
            else:
                output.detail(printable(f"{record.name}: {text}"))

    handler = ToOutput(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


@contextmanager
def exported_lines(name: str) -> Iterator[Iterator[str]]:
    """The lines of a state export, as far as a line may be long; `-` is standard input. Raises: `UsageError`."""
    from wfdeploy.files.access import open_given
    from wfdeploy.state.exported import LONGEST_LINE

    try:
        file = nullcontext(sys.stdin.buffer) if name == "-" else open_given(Path(name))
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror}", hint="name an export, or - for it") from error
    with file as lines:
        yield (line.decode() for line in iter(lambda: lines.readline(LONGEST_LINE + 1), b""))
