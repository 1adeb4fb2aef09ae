"""The shape of our commands: help with examples and exit codes, and groups that import a command when it is used."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from wfdeploy.cli.output import App
from wfdeploy.errors import EXIT_CODE_MEANING, ExitCode

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

ALWAYS = (ExitCode.OK, ExitCode.BUG, ExitCode.USAGE, ExitCode.SYSTEM, ExitCode.SIGINT, ExitCode.SIGTERM)
"""Exit codes that any command may end with."""


SHARED = ("Where to work", "Output")
"""Headings of the options that nearly every command has. `wfdeploy help options` explains them, once for all."""


class Option(click.Option):
    """An option under a heading of its command's help; without one it stands with the command's own."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Without the range, which reads as noise beside a placeholder; a value outside of it is explained."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


class _Help(click.Command):
    """Base of commands and groups: help goes through our own output, and ends with examples and exit codes.

    Options under the headings of `SHARED` are only named in it.
    """

    def __init__(self, *args: Any, examples: str = "", exits: Iterable[ExitCode] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = inspect.cleandoc(examples)
        self.exits = tuple(sorted({*ALWAYS, *exits}))

    def get_help_option(self, ctx: click.Context) -> click.Option | None:  # noqa: ARG002 (click's signature)
        """`--help`, written by our own output (click's would bypass it)."""
        return click.Option(
            ["-h", "--help"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_help,
            help="Show this message and exit.",
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        headings = self._headings(ctx)
        # The command's own stand first, --help (which click adds last) with them.
        for heading, options in headings.items():
            if options and heading not in SHARED:
                with formatter.section(heading):
                    formatter.write_dl([record for _, record in options])
        if shared := [option.opts[0] for heading in SHARED for option, _ in headings.get(heading, ())]:
            with formatter.section("Shared options, explained by `wfdeploy help options`"):
                # The formatter would break lines at hyphens.
                width = formatter.width - formatter.current_indent
                for line in _lines(", ".join(shared).split(" "), width):
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)

    def _headings(self, ctx: click.Context) -> Mapping[str, Sequence[tuple[click.Option, tuple[str, str]]]]:
        """The options with their names and explanations, by heading; the command's own first."""
        headings: dict[str, list[tuple[click.Option, tuple[str, str]]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                headings.setdefault(getattr(parameter, "heading", "Options"), []).append((parameter, record))
        return headings

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.splitlines():
                    formatter.write(f"  {line}\n" if line else "\n")
        if not isinstance(self, click.Group):
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code.value), EXIT_CODE_MEANING[code]) for code in self.exits])


class Command(_Help):
    """A command."""


class SharedOptions(Command):
    """No command: the carrier of the options that commands share, and their explanation."""

    def get_help(self, ctx: click.Context) -> str:
        formatter = ctx.make_formatter()
        self.format_help_text(ctx, formatter)
        headings = self._headings(ctx)
        for heading in SHARED:
            with formatter.section(heading):
                formatter.write_dl([record for _, record in headings[heading]])
        return formatter.getvalue().strip("\n")


def offering(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """What a shell is to offer for a parameter, for its `shell_complete`: a function of `completing`, by its name."""

    def offer(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from wfdeploy.cli import completing

        found: list[CompletionItem] = getattr(completing, what)(ctx, incomplete)
        return found

    return offer


class Section:
    """A part of a group's list of commands."""

    def __init__(self, title: str, commands: Mapping[str, str]) -> None:
        self.title = title
        self.commands = commands


class LazyGroup(_Help, click.Group):
    """A group that knows its commands by name and summary, and imports a command only to run it or to explain it.

    `module` gives the module of a command; its function has the command's name (`import_` for `import`).
    """

    def __init__(self, *args: Any, module: Callable[[str], str], sections: Sequence[Section], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.module = module
        self.sections = tuple(sections)
        self.summaries = {name: summary for section in sections for name, summary in section.commands.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        if cmd_name not in self.summaries:
            return None
        module = import_module(self.module(cmd_name))
        command: click.Command | None = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.summaries and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(name, self.summaries, n=1)
            meant = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"No such command '{name}'.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's signature)
        widest = max(map(len, self.summaries))
        for section in self.sections:
            with formatter.section(section.title):
                formatter.write_dl([(name.ljust(widest), summary) for name, summary in section.commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=summary)
            for name, summary in self.summaries.items()
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


def _lines(words: Iterable[str], width: int) -> Iterable[str]:
    """Fill lines with words."""
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def app_of(ctx: click.Context) -> App:
    """The invocation that a context belongs to."""
    app = ctx.find_object(App)
    assert app is not None  # the gate starts every command with one
    return app


def _show_help(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        app_of(ctx).output.payload(ctx.get_help() + "\n")
        ctx.exit()
