"""The mark in a state that is being moved to another place, or has been: no command uses it there any more."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import shell_word

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveMark:
    """What a state says of its move."""

    to: str
    """The path, or the URL without secrets."""

    host: str = ""
    """Where a path is."""

    attempt: str
    """Random: which attempt to move it. What is written at the other place names it too."""

    was_latest: bool = False
    """Whether the state was surely the latest when the move began."""

    is_done: bool = False
    """Whether it has moved."""

    def to_json(self) -> dict[str, Any]:
        """As it stands in an entry of a log."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read it. Raises: `StateUnusable`."""
        try:
            mark = cls(**values)
        except TypeError as error:
            raise _damaged(error) from error
        if not isinstance(mark.to, str) or not isinstance(mark.attempt, str) or not mark.attempt:
            raise _damaged("a value has another type")
        return mark

    def done(self) -> Self:
        """The mark of a move that has ended."""
        return replace(self, is_done=True)


def read_mark(connection: sqlite3.Connection) -> MoveMark | None:
    """The mark in a state's file. Raises: `StateUnusable`."""
    row = connection.execute("SELECT value FROM head WHERE key = 'moving'").fetchone()
    return None if row is None else parsed(row[0])


def write_mark(connection: sqlite3.Connection, mark: MoveMark | None) -> None:
    """Write the mark, or take it away, in the transaction that is open, if one is."""
    connection.execute("DELETE FROM head WHERE key = 'moving'")
    if mark is not None:
        connection.execute("INSERT INTO head VALUES ('moving', ?)", (json.dumps(mark.to_json()),))


def refusal(mark: MoveMark, name: str) -> StateUnusable:
    """The error for a marked state: what is going on, and how to go on or back."""
    to, on = shell_word(mark.to), f" on {mark.host}" if mark.host else ""
    if mark.is_done:
        return StateUnusable(
            f"the state {name} has moved to {mark.to}{on}",
            hint=f"use it there: --state {to}, or `state:` in wfdeploy.yaml",
        )
    return StateUnusable(
        f"the state {name} is being moved to {mark.to}{on}, and can't be used meanwhile",
        hint=f"finish it: wfdeploy state migrate --to {to}; or go back: the same with --abort",
    )


def parsed(text: Any) -> MoveMark:
    """Read the mark of a head. Raises: `StateUnusable`."""
    try:
        values = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(error) from error
    if not isinstance(values, dict):
        raise _damaged("it is no object")
    return MoveMark.from_json(values)


def _damaged(reason: object) -> StateUnusable:
    return StateUnusable(f"what the state says of its move is damaged: {reason}", hint="restore it from a copy")
