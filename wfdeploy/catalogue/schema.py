"""The catalogue's tables.

- `entries`: one for each file as it was loaded under certain settings. `key` stands for all that the content of an
  entry depends on but the files that the manifest names (`reads`, JSON): their digests are compared at each use.
  `code` authenticates all of the entry (`authentication.py`).
- `groups`: the groups of an entry, with the tally of their runs. `respelled`: some text of theirs was another one while
  numbers were written otherwise.
- `chunks`: identities, some hundreds in each (`chunks.py`). `first`, `last`: the names that it begins and ends with, so
  that a group is read in address order; `own_ids`: whether the author fixed the workflow run id of any of them; `size`,
  `total`: their tally; `digest`: SHA-256 of `runs`; `piece`: the key of the piece of a file that they are from, empty
  for none; `runs_before`, `lines_before`: of that piece in the file, to be added to what stands in `runs`. The index
  has all that an entry's code covers, so that nothing else is read to check it. No request is kept.
"""

from __future__ import annotations

import sqlite3

FORMAT = 7
"""Goes up whenever an entry would be read or made in another way; a cache of another format is thrown away."""

_TABLES = (
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        reads TEXT NOT NULL,
        notes TEXT NOT NULL,
        runs INTEGER NOT NULL,
        used_on INTEGER NOT NULL,
        code BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE groups (
        id INTEGER PRIMARY KEY,
        entry INTEGER NOT NULL,
        name TEXT NOT NULL,
        settings TEXT NOT NULL,
        count INTEGER NOT NULL,
        total BLOB NOT NULL,
        respelled INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX groups_by_entry ON groups (entry)",
    """CREATE TABLE chunks (
        id INTEGER PRIMARY KEY,
        grp INTEGER NOT NULL,
        first TEXT NOT NULL,
        last TEXT NOT NULL,
        own_ids INTEGER NOT NULL,
        size INTEGER NOT NULL,
        total BLOB NOT NULL,
        digest BLOB NOT NULL,
        piece BLOB NOT NULL,
        runs_before INTEGER NOT NULL,
        lines_before INTEGER NOT NULL,
        runs TEXT NOT NULL
    ) STRICT""",
    """CREATE INDEX chunks_in_order
        ON chunks (grp, first, last, own_ids, size, total, digest, piece, runs_before, lines_before)""",
    "CREATE INDEX chunks_by_piece ON chunks (piece, grp) WHERE piece <> x''",
)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty catalogue."""
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether the database has these tables and nothing else: no view, trigger or expression of somebody else's."""
    rows = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
    return [sql for (sql,) in rows] == list(_TABLES)
