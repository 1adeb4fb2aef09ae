"""What goes wrong, in two kinds: an answer to a client of the API, and a server that cannot start."""

from __future__ import annotations

from collections.abc import Mapping

from wfdeploy.errors import StateLocked, UsageError


class Refused(Exception):
    """The API answers `status` with `{"error": message}` (Upstash Workflow REST reference, schema `Error`)."""

    def __init__(self, message: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.headers = headers


class DatabaseInUse(StateLocked):
    """Another server process holds the database file. `url` is where it listens, when it could be asked."""

    def __init__(self, database: str, *, url: str | None) -> None:
        where = f", at {url}" if url else ""
        super().__init__(
            f"another local server is running on {database}{where}",
            hint="use that one, stop it, or give another database file",
        )
        self.url = url


class PortTaken(UsageError):
    """The wanted port belongs to another program."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is in use by another program",
            hint="choose another with --port, or --port 0 for any free one",
        )
        self.port = port


class NotLoopback(UsageError):
    """The server only ever listens on loopback: its credentials are published, so anybody could use it."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is not a loopback address; the local server's credentials are public, so it stays on this machine",
            hint="use 127.0.0.1",
        )
