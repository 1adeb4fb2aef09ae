"""What is known of a command that failed, as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.render.diagnostics import chunks
from wfdeploy.render.markdown import code, fenced, section

_MOST_PROBLEMS = 60
"""The lines of problems, which have at most 200 characters each."""


def text(
    command: str,
    message: str,
    hint: str | None,
    *,
    project: str,
    environment: str,
    diagnostics: Sequence[Diagnostic] = (),
    planned: Sequence[str] = (),
) -> Iterator[str]:
    """The lines of the report.

    project, environment: empty where the failure came before they were known.
    planned: see `apply_markdown.text`.
    """
    where = f" for {code(project)}" if project else ""
    where += f", environment {code(environment)}" if environment else ""
    every_line = (line for chunk in chunks(diagnostics) for line in chunk.rstrip("\n").split("\n"))
    problems = list(islice(every_line, _MOST_PROBLEMS + 1))
    if len(problems) > _MOST_PROBLEMS:
        problems[-1] = "and more: `wfdeploy validate` shows them"
    lines = [
        f"### {command.capitalize()} failed{where}",
        "",
        *fenced([*message.split("\n"), *(f"hint: {line}" for line in (hint or "").split("\n") if line)], "text"),
        *section("Problems", fenced(problems, "text")),
        *planned,
    ]
    for line in lines:
        yield f"{line}\n"
