"""One server and one project for each test; the JavaScript SDK, installed once."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.local_server import LocalServer
from tests.support.workbench import Workbench

PACKAGES = ("@upstash/workflow@1.3.3", "express@5.1.0")
INSTALL_TIMEOUT_S = 180


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture
def bench(server: LocalServer, tmp_path: Path) -> Workbench:
    return Workbench(tmp_path / "project", server.url, server.token)


@pytest.fixture(scope="session")
def sdk_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SDK installed; workers of one session share it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js and npm are not installed: the JavaScript SDK was not tested")
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "javascript-sdk"
    with FileLock(base / "javascript-sdk.lock"):
        if not folder.exists():
            folder.mkdir()
            (folder / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
            (folder / "failed").write_text(_install(npm, folder), encoding="utf-8")
    if problem := (folder / "failed").read_text(encoding="utf-8"):
        pytest.skip(f"npm could not install {' and '.join(PACKAGES)}: {problem}")
    return folder


def _install(npm: str, folder: Path) -> str:
    """What went wrong, or nothing."""
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *PACKAGES]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {INSTALL_TIMEOUT_S} s"
    return (done.stderr.strip()[-500:] or f"npm exited with {done.returncode}") if done.returncode else ""
