"""Where commands may be run: what a shell, a container or a CI job hands to a process."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

BAD = os.fsdecode(b"b\xff")
"""A name that isn't UTF-8."""

_NOBODY = 65534
_CAPBSET_DROP = 24  # prctl(2)
_FILE_CAPABILITIES = (1, 2, 3)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER


def _nothing() -> None:
    """Leave the child as it is."""


def _pipe() -> int:
    return subprocess.PIPE


@dataclass(frozen=True, slots=True)
class Place:
    """One kind of surroundings. `begin` runs in the child, before the program; `arrange` changes the project first.

    `refusals`: exit codes that commands may end with here and not elsewhere; empty where all goes as everywhere.
    """

    name: str
    environ: Mapping[str, str | None] = field(default_factory=dict)
    begin: Callable[[], None] = _nothing
    arrange: Callable[[Path], None] | None = None
    stdout: Callable[[], IO[bytes] | int] = _pipe
    stderr: Callable[[], IO[bytes] | int] | None = None
    refusals: frozenset[int] = frozenset()
    folder: str = "project"


def _closing(*descriptors: int) -> Callable[[], None]:
    def begin() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return begin


def _full() -> IO[bytes]:
    return Path("/dev/full").open("wb")


def _gone() -> IO[bytes]:
    """A pipe whose reader went away."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "wb")


def without_privileges() -> None:
    """Have permissions count for root too, from the next program on. (Another user might not reach the interpreter.)"""
    if os.geteuid() == 0:
        for capability in _FILE_CAPABILITIES:
            ctypes.CDLL(None).prctl(_CAPBSET_DROP, capability, 0, 0, 0)


def _in_deleted_folder() -> None:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    Path(folder).rmdir()


def _in_unreachable_folder() -> None:
    above = Path(tempfile.mkdtemp(), "above")
    (above / "here").mkdir(parents=True)
    os.chdir(above / "here")
    above.chmod(0)
    without_privileges()


def _in_deep_folder() -> None:
    """Further down than any path can say (PATH_MAX)."""
    os.chdir(tempfile.mkdtemp())
    for _ in range(25):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)


def _each(folder: Path, change: Callable[[Path], None]) -> None:
    for path in (folder, *folder.rglob("*")):
        change(path)


def readonly(folder: Path) -> None:
    """Take away the permission to write."""
    _each(folder, lambda path: path.chmod(0o555 if path.is_dir() else 0o444))


def another_users(folder: Path) -> None:
    """Give the folder to somebody else; without privileges, take the permission to write away instead."""
    if os.geteuid() != 0:
        readonly(folder)
        return
    _each(folder, lambda path: os.chown(path, _NOBODY, _NOBODY))
    _each(folder, lambda path: path.chmod(0o755 if path.is_dir() else 0o644))


def usable_again(folder: Path) -> None:
    """Undo both."""
    if os.geteuid() == 0:
        _each(folder, lambda path: os.chown(path, 0, 0))
    folder.chmod(0o755)
    _each(folder, lambda path: path.chmod(0o755 if path.is_dir() else 0o644))


def _with_odd_names(folder: Path) -> None:
    from tests.cli.surroundings.projects import GROUP

    names = (
        "new\nline",
        "q'uo\"te",
        "-dash",
        "\u00e9" * 100,
        "x" * 250,
        "::error::x",
        "sp $x `y`",
        "\x1b[31m",
        "%s{0}",
    )
    for number, name in enumerate(names):
        text = GROUP.replace("name: jobs", f"name: odd-{number}")
        (folder / "manifests" / f"{name}.yaml").write_text(text, encoding="utf-8")


def _with_bad_names(folder: Path) -> None:
    """Manifests, one in a folder, whose names aren't UTF-8; and some other file."""
    from tests.cli.surroundings.projects import GROUP

    (folder / BAD).write_text("no manifest", encoding="utf-8")
    (folder / "manifests" / BAD).mkdir()
    for number, path in enumerate((f"{BAD}.yaml", f"{BAD}/x.yaml")):
        (folder / "manifests" / path).write_text(GROUP.replace("name: jobs", f"name: bad-{number}"), encoding="utf-8")


def _hide_everything() -> None:
    os.umask(0o777)
    without_privileges()


def _limited(kind: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (most, most))


def _deaf() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


_STATE, _SYSTEM, _USAGE, _INVALID = 5, 74, 64, 4
_EVERYWHERE = ("USER", "LOGNAME", "GITHUB_RUN_ID", "GITHUB_SHA", "NO_PROXY", "HTTPS_PROXY", "EDITOR", "TZ", BAD)

PLACES = (
    Place("no stdout", begin=_closing(1)),
    Place("no stderr", begin=_closing(2)),
    Place("no stdin, stdout, stderr", begin=_closing(0, 1, 2)),
    Place("full stdout", stdout=_full, refusals=frozenset({_SYSTEM})),
    Place("full stderr", stderr=_full),
    Place("reader gone", stdout=_gone, stderr=_gone),
    Place("deleted folder", begin=_in_deleted_folder, refusals=frozenset({_SYSTEM, _USAGE})),
    Place("unreachable folder", begin=_in_unreachable_folder, refusals=frozenset({_SYSTEM, _USAGE, _STATE})),
    Place("deep folder", begin=_in_deep_folder, refusals=frozenset({_SYSTEM, _USAGE, _STATE, _INVALID, 0})),
    Place(
        "nothing set",
        environ={
            **dict.fromkeys(("HOME", "PATH", "TERM", "XDG_STATE_HOME", "TMPDIR")),
            "LC_ALL": "POSIX",
            "PYTHONIOENCODING": "ascii",
            "PYTHONUTF8": "0",
            "COLUMNS": "0",
        },
    ),
    Place(
        "nonsense set",
        environ={"HOME": "/etc/passwd", "XDG_STATE_HOME": "/proc/x", "TMPDIR": "/nowhere", "LANG": "xx_YY"}
        | {"COLUMNS": "wide", "TERM": "nonsense", "TZ": "no/where", "SSL_CERT_FILE": "/nowhere"},
    ),
    Place("no UTF-8 set", environ=dict.fromkeys(_EVERYWHERE, BAD)),
    Place("umask 0777", begin=_hide_everything, refusals=frozenset({_STATE, _USAGE})),
    Place("read-only", begin=without_privileges, arrange=readonly, refusals=frozenset({_STATE, _USAGE})),
    Place("another user's", begin=without_privileges, arrange=another_users, refusals=frozenset({_STATE, _USAGE})),
    Place("in a folder that isn't UTF-8", folder=f"{BAD}/{BAD}"),
    Place("manifests that aren't UTF-8", arrange=_with_bad_names, refusals=frozenset({_INVALID})),
    Place("odd names", arrange=_with_odd_names, refusals=frozenset({2})),
    Place("20 files", begin=_limited(resource.RLIMIT_NOFILE, 20)),
    Place("8 files", begin=_limited(resource.RLIMIT_NOFILE, 8), refusals=frozenset({_STATE, _SYSTEM, 6})),
    Place("files of no size", begin=_limited(resource.RLIMIT_FSIZE, 0), refusals=frozenset({_STATE, _USAGE, _SYSTEM})),
    Place("small files", begin=_limited(resource.RLIMIT_FSIZE, 5000), refusals=frozenset({_STATE, _USAGE, _SYSTEM})),
    Place("deaf", begin=_deaf),
)
