"""Puts the examples of `manifests/` into the pages that show them.

    python -m scripts.docs_examples [--check]

A page says where an example goes: `<!-- manifests/examples/order.yaml -->`, with a fenced block below. The block is the
file, without the comment that it begins with.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "manifests" / "examples"
PAGES = ROOT / "docs"

_SHOWN = re.compile(r"^<!-- (manifests/\S+\.yaml) -->\n\n```yaml\n.*?^```$", re.MULTILINE | re.DOTALL)


def shown(file: Path) -> str:
    """What a page shows of a manifest file: from `apiVersion` on."""
    text = file.read_text(encoding="utf-8")
    return text[text.index("apiVersion:") :]


def page(text: str) -> str:
    """A page with its examples as they are now."""

    def example(match: re.Match[str]) -> str:
        return f"<!-- {match[1]} -->\n\n```yaml\n{shown(ROOT / match[1])}```"

    return _SHOWN.sub(example, text)


def examples_of(text: str) -> list[str]:
    """The files that a page shows."""
    return _SHOWN.findall(text)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Put the examples into the pages that show them.")
    parser.add_argument("--check", action="store_true", help="exit 1 when a page isn't current, write nothing")
    check = parser.parse_args(arguments).check
    code = 0
    for file in sorted(PAGES.glob("*.md")):
        before = file.read_text(encoding="utf-8")
        after = page(before)
        if before == after:
            continue
        if check:
            print(f"{file.relative_to(ROOT)} is not current: run python -m scripts.docs_examples", file=sys.stderr)
            code = 1
        else:
            file.write_text(after, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
