"""What SQLite says of a cache, in the words that callers act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from wfdeploy.errors import CacheDamaged


class CacheBusy(Exception):
    """The cache can't be used now; a catalogue without one can."""


@contextmanager
def busy() -> Iterator[None]:
    """SQLite's refusal to write (somebody else does, the disk is full, it is read-only) as `CacheBusy`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise CacheBusy(str(error)) from error


@contextmanager
def intact() -> Iterator[None]:
    """What SQLite finds wrong with a file, while it is read or written, as `CacheDamaged`; its refusals as
    `CacheBusy`."""
    with busy():
        try:
            yield
        except sqlite3.OperationalError:
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise CacheDamaged(f"the cache of manifests can't be used ({error})") from error


@contextmanager
def sound() -> Iterator[None]:
    """What can't be read of a cache as `CacheDamaged`."""
    try:
        yield
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
        raise CacheDamaged(f"the cache of manifests can't be read ({error})") from error
