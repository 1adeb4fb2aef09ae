"""A command line that leads to the same place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.model.plan import Selection


def command_line(
    command: str, options: TargetOptions, arguments: Sequence[str] = (), selection: Selection | None = None
) -> str:
    """`wfdeploy COMMAND` with the arguments and flags that lead to the same place."""
    from wfdeploy.model.address import shell_word

    words = ["wfdeploy", command]
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
            words += [name, str(value)]
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
