"""`bodyFile`: found inside the project only, read as UTF-8."""

from __future__ import annotations

import os
from pathlib import Path


class BodyFileError(Exception):
    """A body file that can't be used."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class BodyFiles:
    """Reads body files of the project at `root`, none larger than `max_bytes`."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = Path(os.path.realpath(root))
        self._max_bytes = max_bytes

    def read(self, folder: Path, text: str) -> tuple[str, str]:
        """Project-relative name and content of the file that `text` names, relative to `folder`.

        Raises: `BodyFileError`. A path that leads outside of the project, also through a link, is refused before
        anything is read: manifests come from pull requests, and what they name ends up on a server.
        """
        if "\0" in text:
            raise BodyFileError("body-file-missing", "the path holds a NUL character")
        name = text if text.isprintable() else repr(text)
        path = Path(os.path.realpath(folder / text))
        if not path.is_relative_to(self._root):
            raise BodyFileError(
                "body-file-outside", f"{name} lies outside of the project", f"the project is {_shown(self._root)}"
            )
        try:
            if not path.is_file():
                what = "is a folder" if path.is_dir() else "does not exist" if not path.exists() else "is no plain file"
                raise BodyFileError(
                    "body-file-missing", f"{name} {what}", "the path is relative to the manifest's folder"
                )
            size = path.stat().st_size
            if size > self._max_bytes:
                raise BodyFileError(
                    "message-too-big", f"{name} holds {size:,} bytes; at most {self._max_bytes:,} are sent"
                )
            content = path.read_bytes().decode("utf-8")
        except OSError as error:
            raise BodyFileError(
                "body-file-missing", f"{name} can't be read: {(error.strerror or '').lower()}"
            ) from error
        except UnicodeDecodeError as error:
            message = f"{name} is not UTF-8 (byte 0x{error.object[error.start]:02x} at offset {error.start:,})"
            hint = "the API carries bodies as text; encode binary data, for example as base64"
            raise BodyFileError("body-file-not-utf8", message, hint) from error
        return path.relative_to(self._root).as_posix(), content


def _shown(root: Path) -> str:
    relative = os.path.relpath(root)
    return "the working directory" if relative == "." else relative
