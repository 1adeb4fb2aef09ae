"""The bytes of a data file: hashed as they are on disk, unpacked by their name, cut at ends of lines."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, cast

from wfdeploy.files.access import (
    CONFLICT_CODE,
    CONFLICT_HINT,
    CONFLICT_MESSAGE,
    LFS_CODE,
    LFS_HINT,
    LFS_MESSAGE,
    LFS_POINTER_BYTES,
    ConflictSearch,
    is_lfs_pointer,
    open_regular,
)

BLOCK_BYTES = 256 * 1024

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Of one line, since a line is held as a whole. Bodies have to be far smaller."""

MAX_WHOLE_BYTES = 256 * 1024 * 1024
"""Of a file whose format has to be read as a whole."""

FREE_BYTES = 64 * 1024 * 1024
MAX_RATIO = 300
"""Beyond `FREE_BYTES`, data may be this many times as large as its packed form. Text reaches 20, zeros 1,000."""

_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")


class FileProblem(Exception):
    """A file that can't be used (any further).

    line: where, counted from 1; None when it is about the file.
    """

    def __init__(self, code: str, message: str, hint: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.line = line


def too_much() -> FileProblem:
    """The problem of a file that unpacks to more than it may."""
    message = f"the file unpacks to more than {MAX_RATIO} times its size"
    return FileProblem("data-file-too-big", message, "this is no data that anyone would send")


def require_no_conflict(block: bytes, search: ConflictSearch) -> None:
    """Raises: `FileProblem` for what git left of a merge."""
    line = search.line_in(block)
    if line is not None:
        raise FileProblem(CONFLICT_CODE, CONFLICT_MESSAGE, CONFLICT_HINT, line)


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class DataStream:
    """One data file, opened. Its content goes past once; `finish` then gives the digest of what is on disk.

    stamp: differs for other content, mostly, without reading it.
    flows: rows come while it is read.

    Entering raises `FileProblem` for a Git LFS pointer, whatever the format: it is one line short of being a CSV file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.flows = False
        self._name = path.name.lower()

    def __enter__(self) -> DataStream:
        self._file: IO[bytes] = open_regular(self.path)
        self.stamp = self._stamp()
        if self.size < LFS_POINTER_BYTES and is_lfs_pointer(self._file.read(LFS_POINTER_BYTES)):
            self._file.close()
            raise FileProblem(LFS_CODE, LFS_MESSAGE, LFS_HINT)
        self._file.seek(0)
        self._raw = _Hashing(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """In bytes, on disk."""
        return self.stamp[0]

    @property
    def count(self) -> int:
        """How many of these were read."""
        return self._raw.count

    def finish(self) -> str:
        """The SHA-256 of the file. Raises: `FileProblem` when it was changed while it was read."""
        while self._raw.read(BLOCK_BYTES):
            pass
        if self._stamp() != self.stamp:
            raise FileProblem("data-file-changed", "the file was changed while it was read", "run the command again")
        return self._raw.hash.hexdigest()

    def _stamp(self) -> tuple[int, int]:
        """Size and time of the last change: another one, and the content may be another."""
        now = os.fstat(self._file.fileno())
        return now.st_size, now.st_mtime_ns

    @property
    def is_packed(self) -> bool:
        """Whether the content is to be unpacked, by its name."""
        return self._name.endswith((".gz", ".zst"))

    def hash_first(self) -> IO[bytes]:
        """The plain file, hashed and wound back: for a format that is not read from beginning to end."""
        while self._raw.read(BLOCK_BYTES):
            pass
        self._file.seek(0)
        return self._file

    def text(self) -> str:
        """All of it, unpacked. Raises: `FileProblem`."""
        with self._unpacked() as unpacked:
            data = unpacked.read(MAX_WHOLE_BYTES + 1)
        if len(data) > MAX_WHOLE_BYTES:
            message = f"the file holds more than {MAX_WHOLE_BYTES >> 20} MiB, and this format is read as a whole"
            raise FileProblem("data-file-too-big", message, "use JSON Lines or CSV, which are read row by row")
        data = _without_mark(data)
        require_no_conflict(data, ConflictSearch())
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise FileProblem("data-file-not-utf8", "the file is not UTF-8", "save it as UTF-8", line) from error

    def blocks(self) -> Iterator[bytes]:
        """Pieces of it that end where a line ends. Raises: `FileProblem`."""
        self.flows = True
        pending: list[bytes] = []
        held = total = 0
        first = True
        conflicts = ConflictSearch()
        with self._unpacked() as unpacked:
            while block := unpacked.read(BLOCK_BYTES):
                total += len(block)
                if total > FREE_BYTES and total > self._raw.count * MAX_RATIO:
                    raise too_much()
                if first:
                    block, first = _without_mark(block), False
                cut = block.rfind(b"\n") + 1
                if not cut:
                    pending.append(block)
                    held += len(block)
                    if held > MAX_LINE_BYTES:
                        raise FileProblem("row-too-long", f"a line has more than {MAX_LINE_BYTES >> 20} MiB")
                    continue
                whole = b"".join((*pending, block[:cut])) if pending else block[:cut]
                require_no_conflict(whole, conflicts)
                yield whole
                pending = [block[cut:]]
                held = len(block) - cut
        if held:
            whole = b"".join(pending)
            require_no_conflict(whole, conflicts)
            yield whole

    @contextmanager
    def _unpacked(self) -> Iterator[_Reader]:
        try:
            if self._name.endswith(".gz"):
                from gzip import GzipFile

                with GzipFile(fileobj=cast("IO[bytes]", self._raw), mode="rb") as unzipped:
                    yield unzipped
            elif self._name.endswith(".zst"):
                with _unpacked_zstd(self._raw) as unpacked:
                    yield unpacked
            else:
                yield self._raw
        except EOFError as error:
            raise FileProblem("data-file-broken", "the file ends in the middle: it is not complete") from error
        except zlib.error as error:
            raise FileProblem("data-file-broken", f"the file can't be unpacked: {error}") from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise FileProblem("data-file-broken", f"the file can't be unpacked: {error}") from error


class _Hashing:
    """A file whose bytes are hashed and counted as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._read = file.read
        self.hash = sha256()
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._read(size)
        self.hash.update(data)
        self.count += len(data)
        return data


@contextmanager
def _unpacked_zstd(raw: _Hashing) -> Iterator[_Reader]:
    try:
        from compression.zstd import ZstdError, ZstdFile  # type: ignore[import-not-found]  # Python 3.14 and newer
    except ImportError:
        try:
            from backports.zstd import ZstdError, ZstdFile
        except ImportError as error:
            hint = "install it: pip install 'wfdeploy[zstd]'"
            raise FileProblem("missing-extra", "reading .zst needs the extra 'zstd'", hint) from error
    try:
        with ZstdFile(raw) as unpacked:
            yield unpacked
    except ZstdError as error:
        raise FileProblem("data-file-broken", f"the file can't be unpacked: {error}") from error


def _without_mark(data: bytes) -> bytes:
    if data.startswith(_WIDE_BOMS):
        raise FileProblem("data-file-not-utf8", "the file is UTF-16", "save it as UTF-8", 1)
    return data.removeprefix(_BOM)
