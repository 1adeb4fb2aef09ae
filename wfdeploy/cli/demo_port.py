"""The port of the demo workflow, kept beside the local server's database.

A destination is part of what a run is, so a demo that moves to another port would trigger every run anew. The port
that was had once is asked for again, by every command that works on this database.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from urllib.parse import urlsplit

from wfdeploy.files.reading import read_own
from wfdeploy.files.writing import replace_file

USUAL = 8081


def wished(database: Path) -> int:
    """The port to ask for."""
    try:
        port = int(read_own(_note(database), most=16))
    except (OSError, ValueError):
        return USUAL
    return port if 0 < port < 65536 else USUAL


def was_used(database: Path) -> bool:
    """Whether runs may have been sent there already."""
    return _note(database).exists()


def remember(database: Path, url: str | None) -> None:
    """Keep the port that the demo got. Where it can't be kept, the usual one is asked for next time."""
    port = None if url is None else urlsplit(url).port
    if port is None or (was_used(database) and port == wished(database)):
        return
    with contextlib.suppress(OSError):
        replace_file(_note(database), str(port).encode())


def url(database: Path) -> str:
    """Where the demo is, or will be."""
    return f"http://127.0.0.1:{wished(database)}"


def _note(database: Path) -> Path:
    return database.with_name(f"{database.name}.demo-port")
