"""Allow one server process per database file, and let other commands find it.

Beside `local-server.db` lie `local-server.db.lock` (an operating-system lock, released when its process ends) and,
while a server announces itself, `local-server.db.server.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from wfdeploy.errors import StateLocked, StateUnusable
from wfdeploy.files.access import read_own, replace_file
from wfdeploy.files.databases import StrangeFileError, make_private, require_regular
from wfdeploy.localserver.http_client import EndpointRequest, HttpClient, url_at
from wfdeploy.localserver.store.database import writing

PROBE_TIMEOUT_S = 2.0
"""For the whole answer."""

_PROBE_BYTES = 64 * 1024
_LONGEST_NOTE = 4096


class DatabaseInUse(StateLocked):
    """Another server process holds the database file. `url`: where it listens, if it answered."""

    def __init__(self, database: str, *, url: str | None) -> None:
        where = f", at {url}" if url else ""
        super().__init__(
            f"another local server is running on {database}{where}",
            hint="use that one, stop it, or give another database file",
        )
        self.url = url


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)


class Occupancy:
    """The exclusive right to serve a database file, until `release`."""

    def __init__(self, database: Path) -> None:
        """Raises: DatabaseInUse when another server has the file, in this process or another one; StateUnusable when
        its folder can't be used, or something else lies in the place of its lock."""
        self._database = database
        try:
            require_regular(_beside(database, ".lock"))
        except StrangeFileError as error:
            raise StateUnusable(f"the local server's database can't be locked: {error}", hint="take it away") from error
        self._sidecar = _beside(database, ".server.json")
        # Not per thread: another thread than the one that started the server may release it.
        self._lock = FileLock(_beside(database, ".lock"), timeout=0, thread_local=False, mode=0o600)
        try:
            with writing(database):
                make_private(database.parent)
                self._lock.acquire()
        except Timeout:
            raise DatabaseInUse(str(database), url=find_running(database)) from None
        try:
            with writing(database):
                self._sidecar.unlink(missing_ok=True)  # left by a killed process; this one holds the lock now
        except BaseException:
            self._lock.release()
            raise

    def announce(self, *, url: str, server_id: str) -> None:
        """Write the file by which other commands find the server. Raises: StateUnusable."""
        note = {"url": url, "pid": os.getpid(), "serverId": server_id}
        with writing(self._database):
            replace_file(self._sidecar, json.dumps(note).encode())

    def release(self) -> None:
        with contextlib.suppress(OSError):  # it is trusted only while the lock is held
            self._sidecar.unlink(missing_ok=True)
        self._lock.release()


def find_running(database: Path) -> str | None:
    """The URL of the running server that announced itself for this file, or None.

    The announcement may be stale or forged, and whole batches with their secrets would go to its URL. So it counts only
    while a process holds the lock, only for a loopback address (RFC 6890: 127.0.0.0/8 and ::1), and only if the server
    there answers with the announced id.
    """
    try:
        note = json.loads(read_own(_beside(database, ".server.json"), most=_LONGEST_NOTE))
        url, server_id = str(note["url"]), str(note["serverId"])
        address = urlsplit(url)
        host, port = ip_address(address.hostname or ""), address.port
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    # Exactly the text that a server writes: two URL parsers may read two different hosts from anything else.
    if url != url_at(str(host), port) or not host.is_loopback or not _is_held(_beside(database, ".lock")):
        return None
    with ThreadPoolExecutor(max_workers=1) as pool:  # the caller's thread may have a running event loop
        return url if pool.submit(asyncio.run, _server_id_at(url)).result() == server_id else None


async def _server_id_at(url: str) -> str | None:
    http_client = HttpClient(max_connections=1)
    try:
        # No token needed: every answer has the id, also a refusal.
        probe = EndpointRequest("GET", f"{url}/v2/keys", {}, b"", PROBE_TIMEOUT_S, max_answer_bytes=_PROBE_BYTES)
        return (await http_client.send(probe)).header("Wfdeploy-Server-Id")
    finally:
        await http_client.close()


def _is_held(lock: Path) -> bool:
    """Whether a process holds the lock of a database, possibly this one."""
    try:
        with FileLock(lock, timeout=0, mode=0o600):
            return False
    except Timeout:
        return True
    except OSError:
        return False
