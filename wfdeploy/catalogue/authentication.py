"""Authentication of what the cache holds, by a key that lies in the state.

Whoever can put a file where the cache is kept, a pull request or a CI cache say, can make no entry of it, and change
none: an entry's code (HMAC-SHA256, RFC 2104) covers all of it, its runs by the digests of their chunks.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wfdeploy.catalogue.chunks import Chunk

_PURPOSE = b"wfdeploy: cache of manifests"


class Cache(NamedTuple):
    """Where entries are kept for later commands, and the key that they are made and known by."""

    folder: Path
    key: bytes

    @classmethod
    def of(cls, folder: Path, secret: bytes) -> Cache:
        """The cache of a state with this secret."""
        return cls(folder, hmac.digest(secret, _PURPOSE, "sha256"))


class StoredGroup(NamedTuple):
    """A group of an entry as the database has it."""

    id: int
    name: str
    settings: str
    runs: int
    total: bytes
    respelled: int
    chunks: tuple[Chunk, ...]


def name_of(key: bytes, wanted: str) -> str:
    """What an entry is called: it tells nothing to whoever lacks the key, and another state's entries aren't found."""
    return hmac.digest(key, f"name\0{wanted}".encode(), "sha256").hex()


def code_of(key: bytes, name: str, reads: str, notes: str, groups: Iterable[StoredGroup]) -> bytes:
    """The code of an entry with these columns and groups. Raises: `TypeError` for values that no entry has."""
    # Without their numbers, which are those of one database.
    whole = [name, reads, notes, [(*group[1:-1], [chunk[1:] for chunk in group.chunks]) for group in groups]]
    return hmac.digest(key, b"entry\0" + json.dumps(whole, default=bytes.hex).encode(), "sha256")


def is_code(code: object, expected: bytes) -> bool:
    """Compare in constant time."""
    return isinstance(code, bytes) and hmac.compare_digest(code, expected)
