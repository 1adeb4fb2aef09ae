"""`wfdeploy init`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.scaffold import Written

CI = ("github", "gitlab")


@click.command(
    "init",
    cls=Command,
    examples="""
        wfdeploy init
        wfdeploy init shop --ci github
        cd shop && wfdeploy apply --local
    """,
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False))
@click.option("--ci", type=click.Choice(CI), help="Write a CI workflow too: plan on requests, apply on merge.")
@click.option("--name", metavar="NAME", help="Name of the project.  [default: the folder's]")
@options.view
def command(*, app: App, folder: str, ci: str | None, name: str | None) -> None:
    """Scaffold a project: manifest, project file, CI workflow.

    Writes wfdeploy.yaml with a random uid and two environments, an example manifest, .gitignore and .gitattributes.
    A file that exists is never touched, so init may be repeated, and adds what is missing.
    """
    import re
    from pathlib import Path

    from wfdeploy.cli.scaffold import project_name, scaffold
    from wfdeploy.model.address import GROUP_NAME
    from wfdeploy.render.encode import dump

    path = Path(folder)
    if name is not None and not re.fullmatch(GROUP_NAME, name):
        raise click.BadParameter("lower-case letters, digits and hyphens, at most 63.", param_hint="'--name'")
    files = scaffold(path, name=name or project_name(path.resolve()), ci=ci)
    output = app.output
    if output.view is View.JSON:
        output.payload(dump({"formatVersion": 1, "files": _as_json(files)}) + "\n")
        return
    output.payload("".join(f"{'wrote' if file.created else 'kept '} {path / file.name}\n" for file in files))
    for file in files:
        if file.missing:
            output.warn(f"{path / file.name} was there already", f"add to it: {'  '.join(file.missing)}")
        elif not file.created and file.name in (".gitlab-ci.yml", ".github/workflows/wfdeploy.yml"):
            output.warn(f"{path / file.name} was there already, so no CI workflow was written")
    from wfdeploy.model.pasting import shell_word

    here = "" if path.resolve() == Path.cwd() else f"cd {shell_word(folder)} && "
    output.note(f"\nNext: {here}wfdeploy apply --local")


def _as_json(files: Sequence[Written]) -> list[dict[str, object]]:
    return [{"file": file.name, "created": file.created} for file in files]
