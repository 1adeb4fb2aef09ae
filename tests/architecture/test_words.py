"""Docstrings, messages, help texts and pages use the words of the field (CONTRIBUTING.md has the glossary)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PATTERNS = {
    r"\basked[ -](?:for|after)\b": "requested, read",
    r"\blet(?:ting)? go\b": "released",
    r"\bcarry (?:this|it|that) out\b": "apply",
    r"\bhow (?:the |recorded |its |many )?runs? (?:do|does|did)\b": "run states",
    r"\btells? how\b": "says",
    r"\bit is known of which\b": "known",
    r"^The same (?:for|with|up|of|over|in|by)\b": "say what it is",
    r"\b(?:declared|known|ended|recorded|running) already\b": "already ...",
    r"\b(?:is|are|was|were|be) held to\b": "checked against, limited to",
    r"^known (?:are|here:) ": "available:",
    r"\bgoes? by it\b": "follows",
    r"\bgive[ns]? (?:the|a|its) \w+ up\b": "abort, give up",
    r"\ba word of consent\b": "confirmed",
    r"\bcame by\b": "origin",
    r"\btold apart\b": "distinguished",
    r"\b(?:with|in) (?:its|our|their) own words\b": "message",
}
"""What no text says -> what it says instead."""


def texts() -> Iterator[tuple[str, str]]:
    """Where, and a text that people read."""
    for path in sorted((ROOT / "wfdeploy").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{name}:{node.lineno}", " ".join(node.value.split())
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    assets = ROOT / "wfdeploy" / "localserver" / "page" / "assets"
    for path in [*pages, *sorted(assets.glob("*.js")), *sorted((ROOT / "schemas").glob("*.json"))]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{path.relative_to(ROOT).as_posix()}:{number}", line


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_worst_phrases_are_kept_out(pattern: str) -> None:
    found = [
        f"{place}: {match[0]!r} -> {PATTERNS[pattern]}"
        for place, text in texts()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)
