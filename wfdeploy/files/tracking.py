"""Which files of a work tree git tracks: nobody may bring along with a checkout what only this machine writes.

Git's index is read here, not by git. It takes a folder that looks like a repository for one, with the
configuration in it, which names programs; anybody can commit such a folder. And images for CI jobs often lack git.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wfdeploy.files.access import read_at_most

_MOST_BYTES = 1 << 28
_HASHES = (20, 32)  # SHA-1, SHA-256
_WITH_WHOLE_NAMES = (b"DIRC\0\0\0\2", b"DIRC\0\0\0\3")  # version 4 leaves out what the name before has too


class UnreadableIndexError(Exception):
    """It can't be found out what git tracks."""


def work_tree(folder: Path) -> Path | None:
    """The top of git's work tree around a folder, with no links in its path; None where there is none."""
    real = Path(os.path.realpath(folder))
    # Nobody can commit a `.git`: git refuses the name, in any case.
    return next((above for above in (real, *real.parents) if (above / ".git").exists()), None)


def tracked(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first file at or below the named entries of a folder that git tracks, as the repository calls it.

    Only entries that are there count. None where there is no such file, or no work tree. Raises:
    `UnreadableIndexError`.
    """
    present = [name for name in names if os.path.lexists(folder / name)]
    top = work_tree(folder) if present else None
    if top is None:
        return None
    within = Path(os.path.realpath(folder)).relative_to(top)
    wanted = [_folded(os.fsencode((within / name).as_posix())) for name in present]
    try:
        git = _git_folder(top)
        found = _find(git, "index", wanted) if (git / "index").exists() else None  # nothing was ever added
    except (OSError, ValueError, IndexError) as error:
        raise UnreadableIndexError(f"{top / '.git'} can't be read: {error}") from error
    return None if found is None else Path(os.fsdecode(found))


def _git_folder(top: Path) -> Path:
    """Where a work tree's index is: `.git`, or what it leads to (gitrepository-layout(5))."""
    entry = top / ".git"
    if entry.is_dir():
        return entry
    text = os.fsdecode(read_at_most(entry, 1 << 16))
    return top / text.removeprefix("gitdir:").strip()


def _find(git: Path, file: str, wanted: list[bytes]) -> bytes | None:
    data = read_at_most(git / file, _MOST_BYTES)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"its index has more than {_MOST_BYTES:,} bytes")  # what is wanted may be in the rest
    if data[:8] in _WITH_WHOLE_NAMES and b"link" not in data and all(map(bytes.isascii, wanted)):
        low = _with_ascii_folded(data)
        if not any(name in low for name in wanted):
            return None  # without a look at each of 100,000 names
    names, shared = _read(data)
    for name in names:
        folded = _folded(name)
        if any(folded == one or folded.startswith(one + b"/") for one in wanted):
            return name
    if not shared:
        return None
    if file != "index":
        raise ValueError("its split index goes on from a split one")
    # An entry that was taken out since still counts, until git writes the whole again.
    return _find(git, f"sharedindex.{shared}", wanted)


def _folded(name: bytes) -> bytes:
    """The name as file systems compare it where neither case counts nor how accents are written."""
    if name.isascii():
        return name.lower()
    from unicodedata import normalize

    text = normalize("NFC", normalize("NFD", name.decode(errors="surrogateescape")).casefold())
    return text.encode(errors="surrogateescape")


def _with_ascii_folded(data: bytes) -> bytes:
    """Fold ASCII letters alone, and the two signs beyond that stand for some: the long s and the Kelvin."""
    return data.lower().replace(b"\xc5\xbf", b"s").replace(b"\xe2\x84\xaa", b"k")


def _read(data: bytes) -> tuple[list[bytes], str]:
    """The names in an index, and the hash of the one that it goes on from (gitformat-index(5)). Raises: `ValueError`,
    `IndexError`."""
    version, count = int.from_bytes(data[4:8]), int.from_bytes(data[8:12])
    if data[:4] != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("its index has another format")
    for hash_size in _HASHES:  # which of them it is stands in the configuration
        try:
            entries = list(_entries(data, version, count, hash_size))
            return [name for name, _ in entries], _shared(data, entries[-1][1] if entries else 12, hash_size)
        except (ValueError, IndexError):
            if hash_size == _HASHES[-1]:
                raise
    raise AssertionError


def _entries(data: bytes, version: int, count: int, hash_size: int) -> Iterator[tuple[bytes, int]]:
    """Names, and where each entry ends."""
    at, name = 12, b""
    for _ in range(count):
        start = at
        at += 40 + hash_size
        flags = int.from_bytes(data[at : at + 2])
        at += 4 if flags & 0x4000 else 2
        if version == 4:  # how much to cut off of the last name, and what comes in its place
            cut, at = _number(data, at)
            end = data.index(b"\0", at)
            name, at = name[: len(name) - cut] + data[at:end], end + 1
        else:
            end = data.index(b"\0", at)
            name, at = data[at:end], start + ((end - start) // 8 + 1) * 8
        if flags & 0xFFF != min(len(name), 0xFFF):
            raise ValueError("its index is damaged")
        yield name, at


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of as many bytes as it takes, as offsets in pack files are written, and where it ends."""
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (data[at] & 0x7F)
        if value > len(data):
            raise ValueError("its index is damaged")
    return value, at + 1


def _shared(data: bytes, at: int, hash_size: int) -> str:
    """The value of the extension `link`, behind the entries; empty without it."""
    shared, end = "", len(data) - hash_size
    while at < end:
        size = int.from_bytes(data[at + 4 : at + 8])
        if data[at : at + 4] == b"link" and any(data[at + 8 : at + 8 + hash_size]):
            shared = data[at + 8 : at + 8 + hash_size].hex()
        at += 8 + size
    if at != end:
        raise ValueError("its index is damaged")
    return shared
