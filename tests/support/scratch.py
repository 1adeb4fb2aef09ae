"""A directory for projects whose every commit is synced: in memory where there is such a place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch() -> Iterator[Path]:
    """Gone afterwards."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="wfdeploy-tests-", dir=memory if memory.is_dir() else None))
    try:
        yield root.resolve()
    finally:
        shutil.rmtree(root, ignore_errors=True)
