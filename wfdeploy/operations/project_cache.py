"""The project file as an earlier command read it: to import what reads and checks YAML takes longer than all else
that a plan without changes does.

What is kept goes by the file's content, this version of the program and a checksum. It is for commands that change
nothing, and `confirm` (project_file.py) holds it to the file before a server is asked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from wfdeploy import __version__

_FORMAT = 1
"""Goes up whenever the same content would be read in another way, or be wrong."""

_NAME = "project.json"
_BOM = b"\xef\xbb\xbf"


def recall(path: Path) -> Mapping[str, Any] | None:
    """What a project file says, when this very content was found to be sound."""
    try:
        digest, _, text = _kept(path).read_bytes().partition(b"\n")
        if digest != _digest(path.read_bytes().removeprefix(_BOM), text):
            return None
        data: Mapping[str, Any] = json.loads(text)
    except (OSError, ValueError):
        return None
    return data


def remember(path: Path, content: str, data: Mapping[str, Any]) -> None:
    """Keep what a sound project file says, where there is a cache already and JSON says the same."""
    kept = _kept(path)
    draft = kept.with_name(f"{_NAME}.{os.getpid()}")
    with suppress(OSError, ValueError):
        text = json.dumps(data).encode()
        if json.loads(text) != data or not kept.parent.is_dir():
            return
        try:
            draft.write_bytes(_digest(content.encode(), text) + b"\n" + text)
            draft.replace(kept)
        finally:
            draft.unlink(missing_ok=True)


def forget(path: Path) -> None:
    """Throw away what is kept of a project file."""
    with suppress(OSError):
        _kept(path).unlink(missing_ok=True)


def _kept(path: Path) -> Path:
    return path.parent / ".wfdeploy" / "cache" / _NAME


def _digest(content: bytes, text: bytes) -> bytes:
    whole = b"\0".join((str(_FORMAT).encode(), __version__.encode(), sha256(content).digest(), text))
    return sha256(whole).hexdigest().encode()
