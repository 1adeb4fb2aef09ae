"""`wfdeploy completion`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command

if TYPE_CHECKING:
    from wfdeploy.cli.app import App

SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    cls=Command,
    examples="""
        eval "$(wfdeploy completion bash)"               in ~/.bashrc
        eval "$(wfdeploy completion zsh)"                in ~/.zshrc
        wfdeploy completion fish > ~/.config/fish/completions/wfdeploy.fish
    """,
)
@click.argument("shell", metavar="[bash|zsh|fish]", type=click.Choice(SHELLS))
@options.log
def command(app: App, shell: str) -> None:
    """Print the completion script for a shell."""
    from click.shell_completion import get_completion_class

    from wfdeploy.cli.gate import COMPLETE_VARIABLE, PROGRAM
    from wfdeploy.cli.main import main

    kind = get_completion_class(shell)
    assert kind is not None  # click knows these three
    # Filled in by hand: click's own `source` starts a bash to ask for its version.
    made = kind(main, {}, PROGRAM, COMPLETE_VARIABLE)
    app.output.payload(made.source_template % made.source_vars() + "\n")
