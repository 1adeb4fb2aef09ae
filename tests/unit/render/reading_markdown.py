"""Markdown as GitHub reads it: what isn't code, and which HTML there is."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from markdown_it.token import Token

PARSER = MarkdownIt("gfm-like", {"linkify": False, "html": True})
HOSTILE = (
    "```", "~~~~", "``` \n<script>alert(1)</script>", "@maintainer", "<img src=x onerror=alert(1)>", "`@team`",
    "# Approved", "| a | b |\n|---|---|", "[ok](https://evil.example)", "![x](https://evil.example/x.png)", "/approve",
    "#1", "<!--", "</details>", "&lt;b&gt;", "\x1b[2J", "\u202e", "a\\`b", "-->", "https://evil.example", "`" * 40,
    "</code></summary>", "<!-- wfdeploy:shop:production -->",
)  # fmt: skip
"""Texts of others that would do something, were they not in code."""

FOREIGN = {"html_inline", "link_open", "image", "table_open"}
"""Tokens that no report has. Its only blocks of HTML fold and unfold."""


def tokens(text: str) -> Iterator[Token]:
    """All tokens, those within others too."""
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def token_types(text: str) -> set[str]:
    return {token.type for token in tokens(text)}


def structure(text: str) -> list[str]:
    return [token.type for token in tokens(text)]


def prose(text: str) -> str:
    """What isn't code."""
    return "\n".join(token.content for token in tokens(text) if token.type == "text")


def tags(text: str) -> list[str]:
    """The HTML elements, with their attributes, and the text that isn't in code."""
    reader = _Tags()
    for token in tokens(text):
        if token.type == "html_block":
            reader.feed(token.content)
    reader.close()
    return reader.found


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(f"<{tag}{attrs or ''}>")

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self.found[-1:] != ["<code>"]:
            self.found.append(data)

    def handle_comment(self, data: str) -> None:
        self.found.append(f"<!--{data}-->")
