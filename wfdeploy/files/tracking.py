"""Ask git whether it tracks files that nobody may bring along with a checkout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_TIMEOUT_S = 30.0


def tracked(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first file at or below the named entries of a folder that git tracks, as the repository calls it.

    None where there is none, or no git to ask.
    """
    if not folder.is_dir() or not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return None
    import subprocess

    # Another user's checkout, as containers of CI have it, may be asked about, and runs nothing: safe.directory only
    # counts here (git-config(1)), and fsmonitor is the one program that ls-files would start.
    git = ("git", "-C", str(folder), "--literal-pathspecs", "-c", "safe.directory=*", "-c", "core.fsmonitor=false")
    try:
        listed = subprocess.run(  # noqa: S603 (git is found as the user's shell finds it; names stand after --)
            (*git, "ls-files", "-z", "--full-name", "--", *names),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    first = listed.stdout.partition(b"\0")[0]
    return Path(first.decode(errors="replace")) if listed.returncode == 0 and first else None
