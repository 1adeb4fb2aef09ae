"""The embedded server as use cases work on it: where it is, and what it supplies.

A destination is part of what a run is, so a demo on another port would trigger every run again. Its port is noted
beside the server's database, and requested again by every command that works on that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wfdeploy.errors import StateUnusable, UsageError
from wfdeploy.files.access import read_own, replace_file

if TYPE_CHECKING:
    from wfdeploy.wiring.assembly import Reporter
    from wfdeploy.wiring.settings import Settings

_LOCAL_ID_UNKNOWN = "none yet"

USUAL_DEMO_PORT = 8081

_USED_PORT_S = 2.0
"""How long to try the port that runs were sent to, in seconds: whoever has it may be ending, and with another one, runs
count as changed. It is waited for once; the next time, that other one is tried."""


def demo_port(database: Path) -> int:
    """The port to request."""
    try:
        port = int(read_own(_note(database), most=16))
    except (OSError, ValueError):
        return USUAL_DEMO_PORT
    return port if 0 < port < 65536 else USUAL_DEMO_PORT


def demo_was_used(database: Path) -> bool:
    """Whether runs may have been sent there already."""
    return _note(database).exists()


def demo_patience_s(database: Path) -> float:
    """How long to ask for the port, in seconds."""
    return _USED_PORT_S if demo_was_used(database) else 0.0


def remember_demo(database: Path, url: str | None) -> None:
    """Note the port that the demo got. If that fails, the usual one is requested next time."""
    port = None if url is None else urlsplit(url).port
    if port is None or (demo_was_used(database) and port == demo_port(database)):
        return
    with contextlib.suppress(OSError):
        replace_file(_note(database), str(port).encode())


def demo_url(database: Path) -> str:
    """The URL that the demo has, or will have."""
    return f"http://127.0.0.1:{demo_port(database)}"


def _note(database: Path) -> Path:
    return database.with_name(f"{database.name}.demo-port")


def local_variables(settings: Settings) -> Mapping[str, str]:
    """Variables that the embedded server supplies, so that manifests run with nothing else installed."""
    return {"app_url": demo_url(settings.local_database)}


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A local server that answers. `demo_url`: where the demo workflow of this very process is."""

    url: str
    token: str
    server_id: str
    demo_url: str | None = None


@contextmanager
def local_server(database: Path, reporter: Reporter) -> Iterator[RunningServer]:
    """The local server of a database: one that runs already, else one that runs inside of the block."""
    try:
        from wfdeploy.localserver.serve import LocalServer, find_running
        from wfdeploy.localserver.tenants import DEFAULT_TENANT
    except ModuleNotFoundError as error:
        raise missing_extra() from error

    running = find_running(database)
    if running is not None:
        yield RunningServer(running, DEFAULT_TENANT.token, local_id(database))
        return
    wanted = demo_port(database)
    patience_s = demo_patience_s(database)
    with LocalServer(database, demo=True, demo_port=wanted, demo_patience_s=patience_s, announce=True) as server:
        reporter.detail(f"an embedded server listens at {server.url}, its demo workflow at {server.demo_url}")
        if demo_was_used(database) and server.demo_url != demo_url(database):
            reporter.warn(
                f"port {wanted} is in use by another program, so the demo workflow is at {server.demo_url}: "
                "runs that use the supplied vars.app_url count as changed",
                "give the variable a value of its own in the environment 'local' of wfdeploy.yaml",
            )
        remember_demo(database, server.demo_url)
        yield RunningServer(server.url, server.token, server.server_id, server.demo_url)


def missing_extra() -> UsageError:
    """The embedded server's packages are an extra, which isn't there."""
    return UsageError("the embedded server is not installed", hint="install it: pip install 'wfdeploy[local]'")


def local_id(database: Path) -> str:
    """The id kept in the local server's database, without starting it."""
    import sqlite3

    if not database.exists():
        return _LOCAL_ID_UNKNOWN
    from wfdeploy.files.databases import StrangeFileError, require_database, uri_of
    from wfdeploy.localserver.store.database import server_id

    try:
        require_database(database)
    except StrangeFileError as error:
        raise StateUnusable(f"the local server's database can't be used: {error}", hint="take it away") from error
    try:
        connection = sqlite3.connect(f"{uri_of(database)}?mode=ro", uri=True)
        try:
            return server_id(connection)
        finally:
            connection.close()
    except (sqlite3.Error, TypeError, UnicodeDecodeError):  # such a table isn't there, or nothing is in it
        return _LOCAL_ID_UNKNOWN
