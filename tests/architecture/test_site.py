"""The site of the documentation: what its check finds wrong. `.ci/run` builds the site itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.docs_site import ROOT, complaints, pages_beside_the_contents


def test_every_page_is_in_the_contents() -> None:
    assert pages_beside_the_contents() == set()


@pytest.mark.parametrize(
    ("piece", "complaint"),
    [
        ('<a href="folder/">', None),
        ('<a href="other.html#here">', None),
        ('<a href="#top">', None),
        ('<a href="https://example.com/x">', None),
        ('<a href="/other.html">', None),
        ('<a href="gone.html">', "page.html: gone.html leads nowhere"),
        ('<a href="gone/">', "page.html: gone/ leads nowhere"),
        ('<a href="../../etc/passwd">', "page.html: ../../etc/passwd leads nowhere"),
        ('<a href="other.html#there">', "page.html: other.html#there has no such place"),
        ('<img src="gone.png">', "page.html: gone.png leads nowhere"),
        ('<script src="https://cdn.example.com/x.js">', "page.html: https://cdn.example.com/x.js is another host's"),
        ('<link href="//cdn.example.com/x.css">', "page.html: //cdn.example.com/x.css is another host's"),
    ],
)
def test_a_link_leads_somewhere_and_nothing_comes_from_elsewhere(
    tmp_path: Path, piece: str, complaint: str | None
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/index.html").write_text("")
    (tmp_path / "other.html").write_text('<h2 id="here">')
    (tmp_path / "page.html").write_text(f'<p id="top">{piece}')
    assert list(complaints(tmp_path)) == ([] if complaint is None else [complaint])


def test_pictures_are_of_pages() -> None:
    texts = "".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")))
    assert [path.name for path in (ROOT / "docs/images").iterdir() if f"images/{path.name})" not in texts] == []
