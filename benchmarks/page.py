"""Parts of docs/performance.md that are written by the harness, each between two markers.

`python -m benchmarks.page FILE...` writes what was measured before, in several turns.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import goals, plot, results

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`. Raises: `ValueError` without them."""
    old = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(old):
        raise ValueError(f"{page} has no place for {name}")
    page.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", old), encoding="utf-8")


def write(measured: Sequence[Mapping[str, Any]]) -> None:
    """Put measurements (the JSON of `python -m benchmarks`) into their places."""
    rows = [results.Row.read(row) for part in measured for row in part["rows"]]
    big, small = [row for row in rows if not row.is_start_up], [row for row in rows if row.is_start_up]
    loads = [load for part in measured for load in part["load"]]
    put(
        "machine",
        f"{machine_line(measured[-1]['machine'])} The machine's load was {min(loads):.1f} to {max(loads):.1f} at the "
        "time; where it is far above what one process makes, the processor time tells more than the clock.",
    )
    if big:
        put("figures", results.table(big))
        plot.draw(big)
        put("goals", goals.table(big))
    left_out = [words for part in measured for words in part["left_out"]]
    put("left-out", "\n".join(f"- {words}" for words in left_out) or "Nothing was left out.")
    if small:
        put("start-up", results.start_up_table(small))


def machine_line(machine: Mapping[str, str]) -> str:
    """The machine in one sentence."""
    versions = ", ".join(f"{name} {machine[name]}" for name in ("sqlite", "pyyaml", "jsonschema", "httpx"))
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}; {machine['system']}; "
        f"{machine['python']}; wfdeploy {machine['wfdeploy']}, {versions}."
    )


if __name__ == "__main__":
    write([json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]])
