"""The project file as an earlier command read it: to import what reads and checks YAML takes longer than all else
that a plan without changes does.

What is kept goes by the file's path and content, and this version of the program. It lies in the user's state folder:
what lies in the checkout may have come with it, and the key that authenticates other caches is found by what the
project file says. It is for commands that change nothing, and `confirm` (`file.py`) compares it with the file before
a server is contacted.
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
from wfdeploy.files.access import is_private, opened_folder, read_at_most, read_of_user, replace_file

_FORMAT = 1
"""Goes up whenever the same content would be read in another way, or be wrong."""

_BOM = b"\xef\xbb\xbf"
_MOST_BYTES = 1_000_000


def recall(path: Path, folder: Path) -> Mapping[str, Any] | None:
    """The data of a project file, where this very content was found to be sound.

    folder: of the user's state.
    """
    try:
        with opened_folder(folder) as handle:
            if not is_private(handle):
                return None
            digest, _, text = read_of_user(handle, _name(path), most=_MOST_BYTES).partition(b"\n")
        if digest != _digest(read_at_most(path, _MOST_BYTES).removeprefix(_BOM), text):
            return None
        data: Mapping[str, Any] = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return None
    return data


def remember(path: Path, folder: Path, content: str, data: Mapping[str, Any]) -> None:
    """Keep the data of a sound project file, where the folder already exists and JSON gives the same data back."""
    with suppress(OSError, ValueError):
        text = json.dumps(data).encode()
        if json.loads(text) != data or len(text) > _MOST_BYTES // 2:
            return
        with opened_folder(folder) as handle:
            if is_private(handle):
                replace_file(_name(path), _digest(content.encode(), text) + b"\n" + text, folder=handle)


def forget(path: Path, folder: Path) -> None:
    """Throw away what is kept of a project file."""
    with suppress(OSError), opened_folder(folder) as handle:
        os.unlink(_name(path), dir_fd=handle)


def _name(path: Path) -> str:
    return f"project-{sha256(os.fsencode(path)).hexdigest()[:32]}.json"


def _digest(content: bytes, text: bytes) -> bytes:
    whole = b"\0".join((str(_FORMAT).encode(), __version__.encode(), sha256(content).digest(), text))
    return sha256(whole).hexdigest().encode()
