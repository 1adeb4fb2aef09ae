"""One server process per database file, and how another command finds it.

Beside `local-server.db` lie `local-server.db.lock` (an operating-system lock, gone with the process that held it) and,
while a server wants to be found, `local-server.db.server.json`.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from wfdeploy.localserver.problems import DatabaseInUse

PROBE_TIMEOUT_S = 2.0


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)


class Occupancy:
    """The right to serve a database file, held until `release`."""

    def __init__(self, database: Path) -> None:
        """Raises: DatabaseInUse when another process, or another server in this one, has it."""
        database.parent.mkdir(parents=True, exist_ok=True)
        self._sidecar = _beside(database, ".server.json")
        # Not per thread: it is taken by the thread that starts the server and may be released by another.
        self._lock = FileLock(_beside(database, ".lock"), timeout=0, thread_local=False, mode=0o600)
        try:
            self._lock.acquire()
        except Timeout:
            raise DatabaseInUse(str(database), url=find_running(database)) from None
        # Left by a process that was killed; we are the only one now.
        self._sidecar.unlink(missing_ok=True)

    def announce(self, *, url: str, server_id: str) -> None:
        """Let other commands find the server."""
        draft = self._sidecar.with_name(self._sidecar.name + ".new")
        draft.write_text(json.dumps({"url": url, "pid": os.getpid(), "serverId": server_id}), encoding="utf-8")
        draft.replace(self._sidecar)

    def release(self) -> None:
        self._sidecar.unlink(missing_ok=True)
        self._lock.release()


def find_running(database: Path) -> str | None:
    """The URL of the server that runs on this file and announced itself, or None.

    The server itself is asked: what the file says may be left over, and its port may belong to somebody else by now.
    """
    try:
        told = json.loads(_beside(database, ".server.json").read_text(encoding="utf-8"))
        url, server_id = told["url"], told["serverId"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
        # No token needed: the id is on every answer, a refusal too.
        answer = httpx.get(f"{url}/v2/keys", timeout=PROBE_TIMEOUT_S, trust_env=False)
        if answer.headers.get("Wfdeploy-Server-Id") == server_id:
            return str(url)
    return None
