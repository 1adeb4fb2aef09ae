"""Names that a state holds, for whoever types one: quickly, without a lock, and without a trace."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.files.databases import glance
from wfdeploy.state.schedules_and_rollouts import rollouts

if TYPE_CHECKING:
    from wfdeploy.model.blocking import RolloutProgress

_TABLES = {"records", "details", "request_ends"}
_READ = 100
"""Runs whose labels are read: the latest ones."""

_LONGEST = 10_000


class Glimpse:
    """A state as its file stands. What an apply under way has not folded into it yet is missing.

    until: when queries give up, a time of `time.monotonic`.

    Raises, as do its methods: `StrangeFileError`, `sqlite3.Error`, `ValueError` for what isn't a state.
    """

    def __init__(self, path: Path, *, until: float) -> None:
        self._connection = glance(path, until=until)
        kinds = dict(self._connection.execute("SELECT name, type FROM sqlite_schema"))
        if any(kinds.get(name) != "table" for name in _TABLES):
            raise ValueError(f"{path} is no state of this version")

    def next(self, low: str, high: str) -> str | None:
        """The first recorded address from `low` on that is less than `high`."""
        query = "SELECT address FROM records WHERE address >= ? AND address < ? ORDER BY address LIMIT 1"
        row = self._connection.execute(query, (low, high)).fetchone()
        return None if row is None else row[0]

    def labels(self) -> Iterator[str]:
        """Labels of the runs that were recorded last."""
        query = (
            "SELECT substr(d.request || coalesce(e.value, ''), 1, ?) FROM details d "
            "LEFT JOIN request_ends e ON e.id = d.end_id ORDER BY d.id DESC LIMIT ?"
        )
        for (text,) in self._connection.execute(query, (_LONGEST, _READ)):
            try:
                labels = json.loads(text)["labels"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            yield from (label for label in labels if isinstance(label, str))

    def rollouts(self) -> Mapping[str, RolloutProgress]:
        """Rollouts under way, by group."""
        return rollouts(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
