"""Addresses that the cache holds, for whoever types one: quickly, without a lock, and without a trace.

Nobody authenticates them, so they are good for nothing but being offered.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from pathlib import Path

from wfdeploy.catalogue.database import FILE
from wfdeploy.files.databases import glance

_decode = json.JSONDecoder().raw_decode


class Glimpse:
    """The addresses of a cache as its file stands, those of former versions of manifests too.

    folder: of the project's cache.
    until: when queries give up, a time of `time.monotonic`.

    Raises, as do its methods: `StrangeFileError`, `sqlite3.Error`, `ValueError` for what can't be read.
    """

    def __init__(self, folder: Path, *, until: float) -> None:
        self._connection = glance(folder / FILE, until=until)
        kinds = dict(self._connection.execute("SELECT name, type FROM sqlite_schema"))
        if kinds.get("groups") != "table" or kinds.get("chunks") != "table":
            raise ValueError("no cache of this version")
        groups: dict[str, list[int]] = {}
        for id_, name in self._connection.execute("SELECT id, name FROM groups WHERE name <> ''"):
            groups.setdefault(f"{name}/", []).append(id_)
        self._groups = sorted(groups.items())
        self._names: dict[int, list[str]] = {}

    def next(self, low: str, high: str) -> str | None:
        """The first declared address from `low` on that is less than `high`."""
        for group, ids in self._groups:
            if group >= high:
                break
            is_within = low.startswith(group)
            if low > group and not is_within:
                continue
            least = low[len(group) :] if is_within else ""
            found = [name for id_ in ids if (name := self._first(id_, least)) is not None]
            if found and (address := f"{group}{min(found)}") < high:
                return address
        return None

    def _first(self, group: int, low: str) -> str | None:
        query = "SELECT id FROM chunks WHERE grp = ? AND last >= ? ORDER BY first LIMIT 1"
        row = self._connection.execute(query, (group, low)).fetchone()
        if row is None:
            return None
        names = self._names_of(row[0])
        at = bisect_left(names, low)
        return names[at] if at < len(names) else None

    def _names_of(self, chunk: int) -> list[str]:
        """The names of a chunk: the first of its columns, without reading the others."""
        if chunk not in self._names:
            (text,) = self._connection.execute("SELECT runs FROM chunks WHERE id = ?", (chunk,)).fetchone()
            names, _ = _decode(text, 1)
            self._names[chunk] = names
        return self._names[chunk]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
