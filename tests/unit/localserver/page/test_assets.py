"""The files that the browser gets: all there, all ours or vendored as published, all from here."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import httpx
import pytest

import wfdeploy.localserver.page
from tests.support.local_server import LocalServer

ASSETS = Path(wfdeploy.localserver.page.__file__).parent / "assets"

VENDORED = {
    "preact.mjs": "bdcbd9abdf2c77c5c45326eab42191e949222d479d0d5f69467387a77040cb55",
    "preact-hooks.mjs": "e862ab2973aa6455eaa0f77c5d832d2157d6be59a17c8ba546550a575b58c6b4",
    "htm.mjs": "ab33dd3f38059b9be4d5f5350128eefb2356639c4e0bbe9d9e8b3ba75847e9e4",
}
"""SHA-256 of the files as npm has them."""

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def ours() -> list[Path]:
    return [path for path in sorted(ASSETS.iterdir()) if path.is_file()]


def test_vendored_libraries_are_as_published() -> None:
    folder = ASSETS / "vendor"
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.mjs")}
    assert found == VENDORED
    told = (folder / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in told for name in found)
    assert {path.name for path in folder.glob("LICENSE.*")} == {"LICENSE.preact", "LICENSE.htm"}


@pytest.mark.parametrize("path", ours(), ids=lambda path: str(path.name))
def test_no_file_names_another_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"(?:https?:)?//[a-z0-9][\w.-]*\.[a-z]{2,}", text)


@pytest.mark.parametrize("path", ours(), ids=lambda path: str(path.name))
def test_files_are_short_enough_to_be_read(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400
    assert max(len(line) for line in lines) <= 120 or path.suffix in (".html", ".svg")


def test_what_is_imported_is_there() -> None:
    page = (ASSETS / "index.html").read_text(encoding="utf-8")
    mapped = set(re.findall(r'"([\w/]+)": "/-/assets/', page))
    for path in ASSETS.glob("*.js"):
        for name in re.findall(r'from "([^"]+)"', path.read_text(encoding="utf-8")):
            assert name in mapped or (ASSETS / name).is_file(), f"{path.name}: {name}"
    for name in re.findall(r'"/-/assets/([^"]+)"', page):
        assert (ASSETS / name).is_file(), name


def test_they_are_served_without_a_token_and_kept_by_the_browser(server: LocalServer) -> None:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=10) as http:
        for path in [*ours(), *(ASSETS / "vendor").glob("*.mjs")]:
            if path.suffix not in TYPES:
                continue
            url = f"/-/assets/{path.relative_to(ASSETS).as_posix()}"
            answer = http.get(url)
            assert answer.status_code == 200
            assert answer.content == path.read_bytes()
            assert answer.headers["Content-Type"] == TYPES[path.suffix]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert http.get(url, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    "path", ["nothing.js", "", "../document.py", "%2e%2e/document.py", "..%2fdocument.py", "vendor", "//etc/passwd"]
)
def test_nothing_else_is_served(server: LocalServer, path: str) -> None:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=10) as http:
        assert http.get(f"/-/assets/{path}").status_code in (401, 404)
