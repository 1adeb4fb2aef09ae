"""What a refresh found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wfdeploy.model.remote import RunState
from wfdeploy.render.encode import dump
from wfdeploy.render.printable import printable
from wfdeploy.render.run_states import WORDS
from wfdeploy.render.style import Style, Tone, plain
from wfdeploy.render.table import Cell, table

Turn = tuple[str, str, RunState | None, RunState]
"""Address, workflow run id, the state that was known, the state now."""


def text(
    asked: int,
    turns: Sequence[Turn],
    states: Mapping[RunState | None, int],
    style: Style = plain,
    *,
    width: int = 100,
) -> Iterator[str]:
    """The runs that are in another state than was known, and how many are in which."""
    if not asked:
        yield "All recorded runs are known to have ended; nobody was asked.\n"
        return
    if turns:
        cells = [
            (
                Cell(printable(address)),
                Cell(_word(before), Tone.FAINT),
                Cell(*WORDS[after]),
                Cell(printable(run_id), Tone.FAINT),
            )
            for address, run_id, before, after in turns
        ]
        yield from table(("ADDRESS", "WAS", "IS", "WORKFLOW RUN"), cells, style, width=width)
        yield "\n"
    words = ", ".join(f"{count:,} {_word(state)}" for state, count in states.items())
    yield f"{style('Asked after', Tone.STRONG)} {asked:,} run{'' if asked == 1 else 's'}: {words}.\n"


def json_text(asked: int, turns: Sequence[Turn], states: Mapping[RunState | None, int]) -> Iterator[str]:
    """`{"formatVersion":1,"asked":…,"summary":{…},"changed":[…]}`, one run a line, in pieces."""
    summary = {state.value: states.get(state, 0) for state in RunState} | {"NOT_LISTED": states.get(None, 0)}
    yield f'{dump({"formatVersion": 1, "asked": asked, "summary": summary})[:-1]},"changed":['
    separator = "\n"
    for address, run_id, before, after in turns:
        was = None if before is None else before.value
        yield separator + dump({"address": address, "workflowRunId": run_id, "before": was, "after": after.value})
        separator = ",\n"
    yield "]}\n" if separator == "\n" else "\n]}\n"


def _word(state: RunState | None) -> str:
    return "not seen yet" if state is None else WORDS[state][0]
