"""`python -m tests.vectors show NUMBER [ASPECT]`, `codes`, `freeze`: look at one, at what all reach, freeze them anew.

`show` prints what is digested, to be compared between two checkouts; what the project looks like is below `--files`.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.vectors.cases import LARGE, SMALL, Cases, different

_PARTS = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.vectors", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="what is digested of one case")
    show.add_argument("number", type=int)
    show.add_argument("aspect", nargs="?", default="", help="the begin of its name")
    show.add_argument("--files", action="store_true", help="the project's files instead, before and after its edit")
    commands.add_parser("codes", help="which codes of diagnostics the cases reach")
    freeze = commands.add_parser("freeze", help="take what the code does now for right")
    freeze.add_argument("--differences", action="store_true", help="only say what would change")
    freeze.add_argument("--jobs", type=int, default=2, help="processes at once")
    for command in (show, freeze):
        command.add_argument("--large", action="store_true", help="of the large cases")
    chosen = parser.parse_args()
    match chosen.command:
        case "show" if chosen.files:
            _files(LARGE if chosen.large else SMALL, chosen.number)
        case "show":
            _show(LARGE if chosen.large else SMALL, chosen.number, chosen.aspect)
        case "codes":
            _codes()
        case _:
            _freeze(LARGE if chosen.large else SMALL, keep=chosen.differences, jobs=chosen.jobs)


def _show(cases: Cases, number: int, aspect: str) -> None:
    ((_, found),) = cases.values([number])
    shown = {name: value for name, value in found.items() if name.startswith(aspect)}
    json.dump(shown, sys.stdout, indent=1, ensure_ascii=False, sort_keys=True)
    print()


def _files(cases: Cases, number: int) -> None:
    project = cases.make(number)
    for round_ in ("before", "after"):
        for name, content in project.contents().items():
            print(f"===== {name} ({round_})\n{content.decode(errors='backslashreplace')}")
        if round_ == "before":
            cases.change(project)
    print(f"===== {project.note}")


def _freeze(cases: Cases, *, keep: bool, jobs: int) -> None:
    was = cases.frozen() if cases.file.exists() else {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        parts = pool.map(cases.digests, [range(part, cases.count, _PARTS) for part in range(_PARTS)])
        found = {number: text for part in parts for number, text in part.items()}
    for number, now in sorted(found.items()):
        if number in was and (told := different(number, was[number], now)):
            print(told)
    if not keep:
        cases.freeze(found)


# --- codes --------------------------------------------------------------------------------------------------------


def _codes() -> None:
    reached: Counter[str] = Counter()
    first: dict[str, int] = {}
    for seed, found in SMALL.values(range(SMALL.count)):
        for code in {code for value in found.values() for code in _in(value)}:
            reached[code] += 1
            first.setdefault(code, seed)
    known = known_codes()
    for code in sorted(known | reached.keys()):
        print(f"{code:28} {reached[code]:5}  {first.get(code, 'not reached')}")
    print(f"{len(known & reached.keys())} of {len(known)}")


def _in(value: Any) -> Iterator[str]:
    """The codes of the diagnostics in it."""
    if isinstance(value, dict):
        if "severity" in value and "code" in value:
            yield value["code"]
        for item in value.values():
            yield from _in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _in(item)


def known_codes() -> set[str]:
    """Every code in the source. They are what has hyphens and no spaces, but for a few."""
    root = Path(__file__).parents[2] / "wfdeploy"
    rooms = ("documents", "project", "manifests", "planning", "sending", "operations", "files")
    paths = [path for room in rooms for path in root.glob(f"{room}/**/*.py")]
    texts = {
        node.value
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", text)} - _NO_CODES


_NO_CODES = {
    "content-length", "content-type", "keep-alive", "rev-parse", "transfer-encoding", "utf-8", "utf-8-sig", "x-y",
    "body-file", "data-file",
}  # fmt: skip


if __name__ == "__main__":
    main()
