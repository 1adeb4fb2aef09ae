"""The files that manifests name: body files and data files, found within the bounds of the project only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from wfdeploy.errors import InvalidInput
from wfdeploy.files.access import (
    CONFLICT_CODE,
    CONFLICT_HINT,
    LFS_CODE,
    LFS_HINT,
    ConflictSearch,
    is_lfs_pointer,
    is_text,
    read_at_most,
)
from wfdeploy.files.bounds import Bounds, OutOfBoundsError
from wfdeploy.manifests.expand.data.streams import DataStream, FileProblem
from wfdeploy.model.diagnostic import Diagnostic, Place


class InputFiles:
    """Reads files of the project at `root`; a body file holds at most `max_body_bytes`.

    What was read is known by project-relative name and SHA-256 (of the bytes on disk); `take` gives what has been read
    since its last call. A file that changes between two readings stops the command.
    """

    def __init__(self, root: Path, max_body_bytes: int, bounds: Bounds | None = None) -> None:
        self._root = Path(os.path.realpath(root))
        self._bounds = bounds or Bounds.around(root)
        self.max_body_bytes = max_body_bytes
        self._digests: dict[str, str] = {}
        self._fresh: dict[str, str] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._opened: DataStream | None = None
        self._bytes = 0  # of the data files that were opened before it

    @property
    def progress(self) -> tuple[int, int] | None:
        """How many bytes are read of the data files that were opened so far, and how many they have; None while one is
        open whose rows come when all of it is read."""
        stream, before = self._opened, self._bytes
        if stream is None:
            return before, before
        return (before + stream.count, before + stream.size) if stream.flows else None

    def take(self) -> dict[str, str]:
        """The SHA-256 of each file that was read to its end since the last call, by project-relative name."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def read_body(self, folder: Path, text: str) -> tuple[str, str]:
        """Project-relative name and content of the body file that `text` names, relative to `folder`.

        Raises: `FileProblem`. A path that leads outside of the project, also through a link, is refused before
        anything is read: manifests come from pull requests, and what they name ends up on a server.
        """
        with _problems_of("body-file"):
            path = self._find(folder, text, "body-file")
            shown = _printable(text)
            data = read_at_most(path, self.max_body_bytes)
            if len(data) > self.max_body_bytes:
                size = max(path.stat().st_size, len(data))
                message = f"{shown} holds {size:,} bytes; at most {self.max_body_bytes:,} are sent"
                raise FileProblem("message-too-big", message)
            if is_lfs_pointer(data):
                raise FileProblem(LFS_CODE, f"{shown} is a Git LFS pointer, not the file itself", LFS_HINT)
            line = ConflictSearch(complete=True).line_in(data)
            if line is not None:
                message = f"a merge conflict was left in {shown}, in line {line}"
                raise FileProblem(CONFLICT_CODE, message, CONFLICT_HINT)
            try:
                content = data.decode("utf-8")
            except UnicodeDecodeError as error:
                message = f"{shown} is not UTF-8 (byte 0x{error.object[error.start]:02x} at offset {error.start:,})"
                hint = "the API carries bodies as text; encode binary data, for example as base64"
                raise FileProblem("body-file-not-utf8", message, hint) from error
        name = self._name(path)
        self._note(name, sha256(data).hexdigest())
        return name, content

    def find_data(self, folder: Path, text: str) -> tuple[Path, str]:
        """Path and project-relative name of a data file. Raises: `FileProblem`, by the same rules."""
        with _problems_of("data-file"):
            path = self._find(folder, text, "data-file")
        return path, self._name(path)

    @contextmanager
    def open_data(self, path: Path, name: str) -> Iterator[DataStream]:
        """Open a data file for reading from its beginning; its digest is noted once it was read to its end.

        Raises: `FileProblem`; `InvalidInput` when its content changed since it was read before.
        """
        with _problems_of("data-file"), DataStream(path) as stream:
            if self._stamps.setdefault(name, stream.stamp) != stream.stamp:
                # Before a row of it is used, not behind the last one.
                with DataStream(path) as other:
                    self._note(name, other.finish())
            self._opened = stream
            try:
                yield stream
                self._note(name, stream.finish())
            finally:
                self._opened = None
                self._bytes += stream.size

    def _note(self, name: str, digest: str) -> None:
        if self._digests.setdefault(name, digest) != digest:
            message = "this file was changed while it was in use"
            hint = "run the command again"
            raise InvalidInput([Diagnostic(code="file-changed", message=message, place=Place(name), hint=hint)])
        self._fresh[name] = digest

    def _name(self, path: Path) -> str:
        return Path(os.path.relpath(path, self._root)).as_posix()

    def _find(self, folder: Path, text: str, what: str) -> Path:
        if "\0" in text:
            raise FileProblem(f"{what}-missing", "the path holds a NUL character")
        name = _printable(text)
        try:
            path = self._bounds.resolve(folder / text)
        except OutOfBoundsError as error:
            hint = "name a file of the project's repository; whoever runs this command allows others: --allow path=PATH"
            raise FileProblem(f"{what}-{error.code}", f"{name} {error.reason}", hint) from error
        if not path.is_file():
            state = "is a folder" if path.is_dir() else "does not exist" if not path.exists() else "is no plain file"
            raise FileProblem(f"{what}-missing", f"{name} {state}", "the path is relative to the manifest's folder")
        if not is_text(self._name(path)):
            raise FileProblem(f"{what}-not-utf8", f"{name} leads to a file whose name is not UTF-8", "rename it")
        return path


@contextmanager
def _problems_of(what: str) -> Iterator[None]:
    """The operating system's errors as problems of the file."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileProblem(f"{what}-missing", f"the file can't be read: {reason}") from error


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)
