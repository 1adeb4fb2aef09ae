"""Commands around a project: its scaffold, its schemas, the shell's completion, the version."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from wfdeploy import __version__
from wfdeploy.cli import options
from wfdeploy.cli.command import Command, SharedOptions, offering
from wfdeploy.cli.output import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

    from wfdeploy.cli.origin import Origin
    from wfdeploy.cli.output import App
    from wfdeploy.cli.scaffold import WrittenFile

CI = ("github", "gitlab")
_SCHEMAS = ("manifest", "project")
_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "init",
    cls=Command,
    examples="""
        wfdeploy init
        wfdeploy init shop --ci github
        wfdeploy init shop --ci gitlab --from https://gitlab.com/acme/wfdeploy@v0.1.0
        wfdeploy init shop --ci github --state s3://acme-ops/wfdeploy/shop
        cd shop && wfdeploy apply --local
    """,
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False))
@click.option("--ci", type=click.Choice(CI), help="Write a CI pipeline too: plan on requests, apply on merge.")
@click.option(
    "--from",
    "source",
    metavar="URL@REF",
    help="Where the pipeline gets wfdeploy from: a repository with its action or component, and a commit or a tag.  "
    "[default: where this copy was installed from, if that is a repository]",
)
@click.option("--name", metavar="NAME", help="Name of the project.  [default: the folder's]")
@click.option(
    "--state",
    "state_url",
    metavar="URL",
    help="Keep production's state in a bucket or a database that many machines share; CI then needs no cache.",
)
@options.view
def init(*, app: App, folder: str, ci: str | None, source: str | None, name: str | None, state_url: str | None) -> None:
    """Scaffold a project: manifest, project file, CI pipeline.

    Writes wfdeploy.yaml with a random uid and two environments, an example manifest, the JSON Schemas of both for
    editors, .gitignore and .gitattributes. A file that exists is never changed, so init may be repeated, and adds
    what is missing.
    """
    from pathlib import Path

    from wfdeploy.cli.scaffold import CI_FILES, project_name, scaffold
    from wfdeploy.model.address import GROUP_NAME
    from wfdeploy.render.encode import dump

    path = Path(folder)
    if name is not None and not re.fullmatch(GROUP_NAME, name):
        raise click.BadParameter("lower-case letters, digits and hyphens, at most 63.", param_hint="'--name'")
    if source is not None and ci is None:
        raise click.UsageError("--from is for the pipeline of --ci.")
    files = scaffold(
        path,
        name=name or project_name(path.resolve()),
        ci=ci,
        origin=lambda: _origin(app, ci, source),
        state_url=state_url,
    )
    output = app.output
    if output.view is View.JSON:
        output.payload(dump({"formatVersion": 1, "files": _as_json(files)}) + "\n")
        return
    output.payload("".join(f"{'wrote' if file.created else 'kept '} {path / file.name}\n" for file in files))
    for file in files:
        if file.missing:
            output.warn(f"{path / file.name} was there already", f"add to it: {'  '.join(file.missing)}")
        elif not file.created and ci is not None and file.name in CI_FILES[ci]:
            output.warn(f"{path / file.name} was there already, so no such pipeline was written")
    from wfdeploy.model.address import shell_word

    here = "" if path.resolve() == Path.cwd() else f"cd {shell_word(folder)} && "
    output.note(f"\nNext: {here}wfdeploy apply --local")
    if state_url is not None:
        output.note("Once, with the store's credentials: wfdeploy state init -e production")


def _origin(app: App, ci: str | None, source: str | None) -> Origin:
    """Where a pipeline gets wfdeploy from. Raises: `UsageError` where nothing says so, and nobody can be asked."""
    from wfdeploy.cli.origin import GITHUB, installed, parse, required

    if source is not None:
        return parse(source)
    found = installed()
    # On GitHub, `uses:` names no host: the repository of that name there may be somebody else's.
    if found is not None and (ci != "github" or found.host == GITHUB):
        return found
    if not app.output.can_ask:
        raise required()
    answer = app.output.answer("Where does the pipeline get wfdeploy from? https://HOST/OWNER/wfdeploy@COMMIT:")
    if not answer:
        raise required()
    return parse(answer)


def _as_json(files: Sequence[WrittenFile]) -> list[dict[str, object]]:
    return [{"file": file.name, "created": file.created} for file in files]


def _topics(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """For the shell: the commands that may follow those already there."""
    from click.shell_completion import CompletionItem

    command: click.Command | None = ctx.find_root().command
    for name in ctx.params.get("names") or ():
        command = command.get_command(ctx, name) if isinstance(command, click.Group) else None
    found = (
        command.shell_complete(ctx, incomplete) if isinstance(command, click.Group) and incomplete[:1] != "-" else []
    )
    if not ctx.params.get("names") and "options".startswith(incomplete):
        found.append(CompletionItem("options", help="The options that commands share."))
    return found


@click.command("options", cls=SharedOptions)
@options.target
@options.view
def shared_options() -> None:
    """Options that commands share. A command's own help names those that it takes.

    They stand after the command: `wfdeploy plan -e production`.
    """


@click.command(
    "help",
    cls=Command,
    examples="""
        wfdeploy help plan
        wfdeploy help state export
        wfdeploy help options        -e, --local, --state, --output, ... in full
    """,
)
@click.argument("names", metavar="[COMMAND...|options]", nargs=-1, shell_complete=_topics)
@options.log
@click.pass_context
def help_(ctx: click.Context, /, app: App, names: Sequence[str]) -> None:
    """Explain a command, or the options that commands share.

    The same as --help after a command. Without a name, the commands are listed.
    """
    here = ctx.find_root()
    if names == ("options",):
        app.output.payload(shared_options.get_help(click.Context(shared_options, parent=here)) + "\n")
        return
    command: click.Command = here.command
    for name in names:
        if not isinstance(command, click.Group):
            raise click.UsageError(f"'{here.command_path}' has no commands of its own, so no '{name}'.")
        _, found, _ = command.resolve_command(here, [name])
        assert found is not None  # else it has been refused
        command, here = found, click.Context(found, info_name=name, parent=here)
    app.output.payload(command.get_help(here) + "\n")


@click.command(
    "schema",
    cls=Command,
    examples="""
        wfdeploy schema                    that of manifests
        wfdeploy schema project
        wfdeploy schema --write schemas    renew the files that `wfdeploy init` wrote
    """,
)
@click.argument("name", metavar="[manifest|project]", type=click.Choice(_SCHEMAS), required=False)
@click.option(
    "--write",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Write both to this directory, or the named one: manifest.schema.json and project.schema.json.",
)
@options.log
def schema(app: App, name: str | None, folder: str | None) -> None:
    """Print or write the JSON Schemas of manifests and of the project file.

    Draft 2020-12. Editors use it to complete and explain fields. In a file, the line `# yaml-language-server:
    $schema=PATH` names it.
    """
    from pathlib import Path

    from wfdeploy.cli.schema_files import write_schemas
    from wfdeploy.documents.schemas import NAMES, schema_text

    if folder is None:
        app.output.payload(schema_text(name or NAMES[0]))
        return
    for path in write_schemas(Path(folder), NAMES if name is None else (name,)):
        app.output.payload(f"wrote {path}\n")


@click.command(
    "explain",
    cls=Command,
    examples="""
        wfdeploy explain                            the fields of a manifest
        wfdeploy explain runs.retries
        wfdeploy explain defaults.flowControl
        wfdeploy explain project.environments       of wfdeploy.yaml
        wfdeploy explain retries --output json
    """,
)
@click.argument("field", metavar="[FIELD]", default="manifest", shell_complete=offering("fields"))
@options.view
def explain(app: App, field: str) -> None:
    """Explain a field of manifests or of the project file.

    Its meaning, type, default, an example, the header that it is sent as, and the fields within.

    FIELD is a path, as runs.retries; spec. may be left out, and so may [] behind a list. The last name alone is enough
    where it says which one is meant. manifest or project, alone or before the path, says which file.
    """
    from wfdeploy.documents.explanation import explained, find_field
    from wfdeploy.render import explanation as view
    from wfdeploy.render.encode import dump
    from wfdeploy.upstash.headers import headers_of

    found, others = find_field(field)
    said = dict(explained(found, others))
    within = re.fullmatch(r"spec\.(?:runs\[\]|defaults)\.(.+)", found.path)
    if found.document == "manifest" and within is not None:
        said["headers"] = [
            {"name": name, "written": written, "example": example}
            for name, written, example in headers_of(within[1].replace("[]", ""))
        ]
    output = app.output
    output.show(dump({"formatVersion": 1, **said}) + "\n", view.text(said, output.style, width=output.width))


@click.command(
    "completion",
    cls=Command,
    examples="""
        eval "$(wfdeploy completion bash)"               in ~/.bashrc
        eval "$(wfdeploy completion zsh)"                in ~/.zshrc
        wfdeploy completion fish > ~/.config/fish/completions/wfdeploy.fish
    """,
)
@click.argument("shell", metavar="[bash|zsh|fish]", type=click.Choice(_SHELLS))
@options.log
def completion(app: App, shell: str) -> None:
    """Print the completion script for a shell."""
    from wfdeploy.cli.completing import script
    from wfdeploy.cli.error_handler import COMPLETE_VARIABLE, PROGRAM
    from wfdeploy.cli.main import main

    app.output.payload(script(main, shell, PROGRAM, COMPLETE_VARIABLE) + "\n")


@click.command(
    "version",
    cls=Command,
    examples="""
        wfdeploy version
        wfdeploy version --output json
    """,
)
@options.view
def version(app: App) -> None:
    """Print the version, with that of the state's format and of Python."""
    from wfdeploy.state import VERSION

    python = ".".join(map(str, sys.version_info[:3]))
    app.output.show(
        f'{{"formatVersion": 1, "version": "{__version__}", "stateFormat": {VERSION}, "python": "{python}"}}\n',
        f"wfdeploy {__version__} (state format {VERSION}, Python {python})\n",
    )
