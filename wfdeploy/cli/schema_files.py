"""The JSON Schemas as files of a project, where editors find them without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from wfdeploy.documents.schemas import NAMES, schema_text
from wfdeploy.errors import UsageError
from wfdeploy.files.access import read_at_most, replace_file
from wfdeploy.files.bounds import Bounds
from wfdeploy.wiring.checkout import require_as_named

FOLDER = "schemas"
"""Where `init` puts them, beside the project file, and where the first lines of its files point to."""

_OURS = "urn:wfdeploy:schemas:"
_MOST_BYTES = 1024 * 1024


def schema_files(names: Sequence[str] = NAMES) -> Mapping[str, str]:
    """The names of the files, with their content."""
    return {f"{name}.schema.json": schema_text(name) for name in names}


def write_schemas(folder: Path, names: Sequence[str] = NAMES) -> Sequence[Path]:
    """Write the schemas to a folder, in place of older ones. Returns the files.

    Raises: `UsageError` where something else has a name of theirs, or nothing can be written; then nothing is.
    """
    files = {folder / name: text.encode() for name, text in schema_files(names).items()}
    for path in files:
        require_as_named("the file", str(path), folder=Path.cwd(), bounds=Bounds.around(Path.cwd()))
        _require_ours(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            replace_file(path, content)
            path.chmod(0o644)  # for everybody, as files of a checkout are
    except OSError as error:
        raise UsageError(f"{error.filename or folder} can't be written: {error.strerror}") from error
    return tuple(files)


def _require_ours(path: Path) -> None:
    try:
        schema = json.loads(read_at_most(path, _MOST_BYTES))
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict) or not str(schema.get("$id")).startswith(_OURS):
        raise UsageError(f"{path} is there, and is no schema of wfdeploy", hint="name another folder")
