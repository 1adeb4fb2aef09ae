"""Which files a path stands for, and their text: folders (recursively), files, standard input."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wfdeploy.files.access import (
    CONFLICT_CODE,
    CONFLICT_HINT,
    CONFLICT_MESSAGE,
    LFS_CODE,
    LFS_HINT,
    LFS_MESSAGE,
    ConflictSearch,
    escaped,
    is_lfs_pointer,
    read_given,
)
from wfdeploy.files.bounds import OutOfBoundsError
from wfdeploy.model.address import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wfdeploy.files.bounds import Bounds
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.model.document import SourceFile

STDIN = "-"
STDIN_NAME = "<stdin>"
SUFFIXES = (".yaml", ".yml")
PROJECT_FILE = "wfdeploy.yaml"

NOT_PROJECT_FILES = tuple(
    f"{stem}{suffix}"
    for stem in ("wfdeploy", "Wfdeploy", "WFDEPLOY")
    for suffix in (".yaml", ".yml", ".YAML", ".YML")
    if f"{stem}{suffix}" != PROJECT_FILE
)
"""Names under which somebody may look for the project file."""

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Of one manifest. A million small runs are about half of it."""

_BOM = "\ufeff"


HIDDEN = "hidden"
OTHER_ENDING = "no *.yaml or *.yml"
OTHER_PROJECT = "another project"
PROJECT_FILES = "a project file"


class PassedOver(NamedTuple):
    """What a folder holds and is not read: its name as the user would type it, and why, as what it is."""

    display: str
    why: str


class Found(NamedTuple):
    """A file to read.

    display: its name as the user would type it.
    path: None for standard input.
    real: the path with all links followed; empty for standard input.
    """

    display: str
    path: Path | None
    real: str = ""


def find(
    paths: Sequence[str],
    *,
    base: Path,
    cwd: Path,
    problems: list[Diagnostic],
    bounds: Bounds,
    project_file: Path | None = None,
    passed: list[PassedOver] | None = None,
) -> list[Found]:
    """Find the manifest files that `paths` stand for, each once: in the order of the paths, folders sorted by name.

    Paths are relative to `base` and shown relative to `cwd`, unless they are absolute. In folders, hidden entries and
    project files are skipped, and so are folders below with a project file of their own, which are other projects
    (`project_file` is this one's); a path that is given itself is taken whatever its name. What can't be found or
    entered, or lies out of bounds, is added to `problems`; what is skipped, to `passed`.
    """
    own = "" if project_file is None else os.path.realpath(project_file)
    search = _Search(own, bounds, problems, [] if passed is None else passed)
    found: dict[str, Found] = {}
    for text in paths:
        if text == STDIN:
            found.setdefault(STDIN, Found(STDIN_NAME, None))
            continue
        path = base / text
        display = _display(path, text, base, cwd)
        for entry in search.expand(path, display):
            found.setdefault(entry.real, entry)
    return list(found.values())


def read(found: Found, *, root: Path, cwd: Path, stdin: bytes | None, problems: list[Diagnostic]) -> SourceFile | None:
    """The text of a file; None when it can't be read, with the reason in `problems`."""
    data = read_bytes(found, stdin=stdin, problems=problems)
    return None if data is None else decode(found, data, name=name_of(found, root), cwd=cwd, problems=problems)


def read_bytes(found: Found, *, stdin: bytes | None, problems: list[Diagnostic]) -> bytes | None:
    """The content of a file; None when it can't be read, with the reason in `problems`."""
    if found.path is None:
        data = stdin if stdin is not None else b""
    else:
        try:
            data = read_given(found.path, MAX_FILE_BYTES)
        except OSError as error:
            problems.append(_problem("unreadable", f"can't be read: {reason(error)}", found.display))
            return None
    if len(data) > MAX_FILE_BYTES:
        message = f"larger than {MAX_FILE_BYTES // (1024 * 1024)} MiB"
        problems.append(_problem("file-too-big", message, found.display, "split the group over files"))
        return None
    return data


def decode(found: Found, data: bytes, *, name: str, cwd: Path, problems: list[Diagnostic]) -> SourceFile | None:
    """Decode a file's content; None when it isn't text, with the reason in `problems`. `name`: see `name_of`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.append(_not_utf8(error, found.display))
        return None
    if is_lfs_pointer(data):
        problems.append(_problem(LFS_CODE, LFS_MESSAGE, found.display, LFS_HINT))
        return None
    line = ConflictSearch().line_in(data)
    if line is not None:
        problems.append(_conflict(found.display, line, text))
        return None
    from wfdeploy.model.document import SourceFile

    folder = cwd if found.path is None else found.path.parent
    return SourceFile(display=found.display, name=name, folder=folder, text=text.removeprefix(_BOM))


def name_of(found: Found, root: Path) -> str:
    """A file's project-relative name with forward slashes, the same on every machine."""
    if found.path is None:
        return STDIN
    return Path(os.path.relpath(found.path.absolute(), root.absolute())).as_posix()


def shown_path(path: Path, cwd: Path) -> str:
    """A path as a user in `cwd` would type it: relative, unless that would climb out of everything."""
    relative = os.path.relpath(path, cwd)
    return escaped(str(path) if relative.startswith(os.path.join("..", "..", "..", "..")) else relative)  # noqa: PTH118


def unnameable(found: Found) -> Diagnostic:
    """The problem of a file whose name below the project isn't UTF-8."""
    return _problem(
        "name-not-utf8", "the name of this file, or of its folder, is not UTF-8", found.display, "rename it"
    )


def allow(path: Path) -> str:
    """How an operator allows a project to name a path."""
    return f"whoever runs this command allows it: --allow path={shell_word(os.path.realpath(path))}"


def reason(error: OSError) -> str:
    """The operating system's message, without its number and path."""
    return (error.strerror or str(error)).lower()


def _display(path: Path, text: str, base: Path, cwd: Path) -> str:
    if base == cwd or Path(text).is_absolute():
        return escaped(text)
    return shown_path(path, cwd)


class _Search:
    """One search for manifests.

    own: the project file's real path.
    """

    def __init__(self, own: str, bounds: Bounds, problems: list[Diagnostic], passed: list[PassedOver]) -> None:
        self._own = own
        self._bounds = bounds
        self._problems = problems
        self._passed = passed

    def expand(self, path: Path, display: str) -> Iterator[Found]:
        """The files that a path stands for."""
        if not self._is_within(path, display):
            return
        try:
            is_folder = path.stat() and path.is_dir()
        except FileNotFoundError:
            self._problem("not-found", "there is no such file or folder", display)
            return
        except OSError as error:
            self._problem("unreadable", f"can't be read: {reason(error)}", display)
            return
        if is_folder:
            before, passed = len(self._problems), len(self._passed)
            entries = list(self._folder(path, display, ()))
            if not entries and len(self._problems) == before:
                message, hint = "this folder holds no manifests", "manifests are files *.yaml and *.yml"
                if (shown := shortened([one.display for one in self._passed[passed:]], 3)) != "":
                    hint += f"; passed over: {shown}"
                self._problem("no-manifests", message, display, hint)
            yield from entries
        else:
            yield Found(display, path, os.path.realpath(path))

    def _folder(self, path: Path, display: str, above: tuple[str, ...]) -> Iterator[Found]:
        real = os.path.realpath(path)
        if real in above:
            self._problem("symlink-loop", "this link leads back to a folder it stands in", display)
            return
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            self._problem("unreadable", f"can't be read: {reason(error)}", display)
            return
        if above and any(entry.name == PROJECT_FILE and os.path.realpath(entry) != self._own for entry in entries):
            self._passed.append(PassedOver(display, OTHER_PROJECT))
            return
        for entry in entries:
            shown = escaped(os.path.join(display, entry.name) if display != "." else entry.name)  # noqa: PTH118 - text as typed
            child = path / entry.name
            is_folder = _is_folder(entry)
            why = _why_not(entry.name, is_folder=is_folder)
            if why is not None:
                self._passed.append(PassedOver(f"{shown}{os.sep}" if is_folder else shown, why))
                continue
            is_link = entry.is_symlink()
            if is_link and not self._is_within(child, shown):
                continue
            if is_folder:
                yield from self._folder(child, shown, (*above, real))
            else:
                yield Found(shown, child, os.path.realpath(child) if is_link else os.path.join(real, entry.name))  # noqa: PTH118

    def _is_within(self, path: Path, display: str) -> bool:
        """Whether a file or folder may be looked at: a link may lead to where only the operator may look."""
        try:
            self._bounds.resolve(path)
        except OutOfBoundsError as error:
            self._problem("out-of-bounds", f"this {error.reason}", display, allow(path))
            return False
        except (OSError, ValueError):
            pass  # opening it gives the reason
        return True

    def _problem(self, code: str, message: str, display: str, hint: str | None = None) -> None:
        self._problems.append(_problem(code, message, display, hint))


def _why_not(name: str, *, is_folder: bool) -> str | None:
    """Why an entry of a folder is passed over; None for one that isn't."""
    if name.startswith("."):
        return HIDDEN
    if is_folder:
        return None
    if name == PROJECT_FILE:
        return PROJECT_FILES
    return None if name.lower().endswith(SUFFIXES) else OTHER_ENDING


def shortened(names: Sequence[str], most: int) -> str:
    """Some of many names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link onto itself; reading it as a file gives the reason
        return False


def _not_utf8(error: UnicodeDecodeError, display: str) -> Diagnostic:
    import codecs

    from wfdeploy.documents.text import lines_of
    from wfdeploy.model.diagnostic import Diagnostic, Place

    before = error.object[: error.start].decode("utf-8")
    lines = lines_of(before)
    place = Place(display, len(lines), len(lines[-1]) + 1)
    message = f"not UTF-8 (byte 0x{error.object[error.start]:02x})"
    if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        message = "UTF-16, not UTF-8"
    return Diagnostic(code="not-utf8", message=message, place=place, hint="save the file with UTF-8 encoding")


def _conflict(display: str, line: int, text: str) -> Diagnostic:
    from wfdeploy.model.diagnostic import Diagnostic, Place

    excerpt = text.split("\n", line)[line - 1].rstrip("\r")
    return Diagnostic(
        code=CONFLICT_CODE, message=CONFLICT_MESSAGE, place=Place(display, line), hint=CONFLICT_HINT, excerpt=excerpt
    )


def _problem(code: str, message: str, display: str, hint: str | None = None) -> Diagnostic:
    from wfdeploy.model.diagnostic import Diagnostic, Place, Severity

    return Diagnostic(severity=Severity.ERROR, code=code, message=message, place=Place(display), hint=hint)
