"""Build the documentation as a web site, into `build/site/html/`: `python -m scripts.docs_site`.

The site is made of the repository's own Markdown. Each page keeps its place, so that links between pages, and from them
to manifests and schemas, need no change. A link that leads nowhere fails the build, as does a page that isn't in the
contents, and one that asks another host for a part of itself. It can be read without a server.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build/site"

_TOP = {"README.md": "index.md", "CHANGELOG.md": "CHANGELOG.md", "CONTRIBUTING.md": "CONTRIBUTING.md"}
_FILES = (
    *(".github/workflows/release.yml", "Containerfile", "LICENSE", "action.yml", "justfile", "pyproject.toml"),
    "wfdeploy.yaml",
)
_FOLDERS = ("manifests", "schemas", "templates")
"""What pages link to, and isn't a page."""

_CONTENTS = """<!doctype html>
<meta charset="utf-8">
<title>{name}</title>
<ul>
{items}
</ul>
"""


def stage(source: Path) -> None:
    """Copy pages and pictures to where the generator reads them."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source / "docs", ignore=shutil.ignore_patterns("*.toml"))
    for name, page in _TOP.items():
        shutil.copyfile(ROOT / name, source / page)
    shutil.copyfile(ROOT / "docs/site.toml", source.parent / "zensical.toml")


def add_files(html: Path) -> None:
    """Copy to the site what its pages link to, with a list of the files of each folder."""
    for name in _FILES:
        (html / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, html / name)
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, html / name, ignore=shutil.ignore_patterns(".wfdeploy"))
        for folder in (html / name, *(path for path in (html / name).rglob("*") if path.is_dir())):
            names = sorted(path.name + "/index.html" * path.is_dir() for path in folder.iterdir())
            items = "\n".join(f'<li><a href="{one}">{one.removesuffix("index.html")}</a>' for one in names)
            (folder / "index.html").write_text(_CONTENTS.format(name=folder.name, items=items), encoding="utf-8")


class Links(HTMLParser):
    """What a page links to, what it is made of, and the places on it that can be linked to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.parts: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value is not None:
                self.places.add(value)
            elif name in ("href", "src") and value is not None:
                (self.links if tag == "a" else self.parts).append(value)


def complaints(html: Path) -> Iterator[str]:
    """What is wrong with the links of a built site."""
    pages = {path: Links(path) for path in html.rglob("*.html")}
    for path, page in sorted(pages.items()):
        where = path.relative_to(html)
        yield from (f"{where}: {part} is another host's" for part in page.parts if urlsplit(part).netloc)
        for link in (*page.links, *page.parts):
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            folder = html if url.path.startswith("/") else path.parent  # the page for what isn't found, wherever it is
            target = (folder / unquote(url.path).lstrip("/")).resolve() if url.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_relative_to(html) or not target.exists():
                yield f"{where}: {link} leads nowhere"
            elif url.fragment and target in pages and unquote(url.fragment) not in {*pages[target].places, "__top"}:
                yield f"{where}: {link} has no such place"


def pages_beside_the_contents() -> set[str]:
    """Pages that aren't in the contents, and entries of these that aren't pages."""
    config = tomllib.loads((ROOT / "docs/site.toml").read_text(encoding="utf-8"))
    listed: set[str] = set()
    for entry in config["project"]["nav"]:
        for value in entry.values():
            listed |= {value} if isinstance(value, str) else {page for one in value for page in one.values()}
    return listed ^ {*_TOP.values(), *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))}


def main(arguments: list[str] | None = None) -> int:
    """Build the site, and look at it. Returns the exit code."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    source, html = BUILD / "source", BUILD / "html"
    stage(source)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    code = subprocess.run(command, cwd=BUILD, check=False).returncode
    if code != 0:
        return code
    add_files(html)
    wrong = [*complaints(html), *(f"docs/site.toml: {page}" for page in sorted(pages_beside_the_contents()))]
    print("\n".join(wrong) or html.relative_to(ROOT))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
