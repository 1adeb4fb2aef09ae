"""The official JavaScript SDK as a peer, where Node is present."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PACKAGE = "@upstash/workflow@1.3.3"
SCRIPT = Path(__file__).with_name("sending.mjs")
INSTALL_TIMEOUT_S = 180


def sending(folder: Path) -> tuple[str, ...] | None:
    """The beginning of the peer's command line; None, said aloud, where it can't be had. Installs into `folder`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print("no Node.js: the JavaScript SDK is left out")
        return None
    folder.mkdir()
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", PACKAGE]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=INSTALL_TIMEOUT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as problem:
        print(f"npm can't install {PACKAGE}, so the JavaScript SDK is left out: {problem}")
        return None
    return (node, str(SCRIPT), str(folder))


def versions() -> dict[str, str]:
    """Of Node and of the SDK, for the page."""
    node = shutil.which("node")
    if node is None:
        return {}
    said = subprocess.run([node, "--print", "process.version"], capture_output=True, text=True, check=True)
    return {"node": said.stdout.strip().removeprefix("v"), PACKAGE.rpartition("@")[0]: PACKAGE.rpartition("@")[2]}
