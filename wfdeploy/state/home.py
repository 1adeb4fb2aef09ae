"""Is this state where it was left?

A state that was copied or restored (a CI cache, a backup) may be older than what happened since; then what the
server's listing shows is all there is to know, and a listing lags. A note beside the state tells: which file it was
(machine, device, inode) and at which serial it was left. Only where it fits is the state known to be the whole story.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from wfdeploy.errors import StateUnusable
from wfdeploy.model.state import Head


def is_at_home(path: Path, head: Head) -> bool:
    """Whether the state is the very file that was last written, not moved back in time. False when in doubt."""
    try:
        note = json.loads(_note(path).read_text(encoding="utf-8"))
        return bool(note["lineage"] == head.lineage and note["place"] == _place(path) and head.serial >= note["serial"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def leave_home(path: Path) -> None:
    """Take the note away before anything is sent; it comes back when all of that is recorded.

    Should this process die in between, no copy of the state from before may pass for the whole story.
    Raises: `StateUnusable`.
    """
    try:
        _note(path).unlink(missing_ok=True)
    except OSError as error:
        raise StateUnusable(f"cannot remove {_note(path)}: {error.strerror}", hint="make it writable") from error


def mark_home(path: Path, head: Head) -> None:
    """Leave the note. Failing to is no harm: the next apply is more careful, that is all."""
    with contextlib.suppress(OSError):
        draft = _note(path).with_suffix(".new")
        draft.write_text(
            json.dumps({"lineage": head.lineage, "serial": head.serial, "place": _place(path)}), encoding="utf-8"
        )
        draft.replace(_note(path))


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.home")


def _place(path: Path) -> str:
    import socket

    status = os.stat(path)  # noqa: PTH116
    machine = socket.gethostname()
    with contextlib.suppress(OSError):
        machine += "/" + Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    return f"{machine}:{status.st_dev}:{status.st_ino}"
