"""Parts of docs/performance.md that are written by the harness, each between two markers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"

_FIRST_MACHINE = re.compile(r"<!-- layouts-machine:begin -->\n(.*? httpx \S+\.)\s")
"""The machine as the first table names it. Those below needn't repeat it."""


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`. Raises: `ValueError` without them."""
    old = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(old):
        raise ValueError(f"{page} has no place for {name}")
    first = _FIRST_MACHINE.search(old)
    if first is not None and name != "layouts-machine":
        text = text.replace(first[1], "The same machine.")
    page.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", old), encoding="utf-8")


def machine_line(machine: Mapping[str, str], loads: Sequence[float] = ()) -> str:
    """The machine in a sentence, and how busy it was."""
    versions = ", ".join(f"{name} {machine[name]}" for name in ("sqlite", "pyyaml", "jsonschema", "httpx"))
    busy = f" The load was {' to '.join(f'{load:.1f}' for load in sorted(loads))}." if loads else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}; {machine['system']}; "
        f"{machine['python']}; wfdeploy {machine['wfdeploy']}, {versions}.{busy}"
    )
