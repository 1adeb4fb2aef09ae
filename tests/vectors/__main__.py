"""`python -m tests.vectors show SEED [ASPECT]`, `codes`, `freeze`: look at a case, at what all reach, freeze them anew.

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

from tests.vectors import cases
from tests.vectors.living import ASPECTS

_PARTS = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.vectors", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="what is digested of one case")
    show.add_argument("seed", type=int)
    show.add_argument("aspect", nargs="?", help="the begin of its name")
    show.add_argument(
        "--files", action="store_true", help="the files of the project instead, before and after its edit"
    )
    commands.add_parser("codes", help="which codes of diagnostics the cases reach")
    freeze = commands.add_parser("freeze", help="take what the code does now for right")
    freeze.add_argument("--differences", action="store_true", help="only say what would change")
    freeze.add_argument("--jobs", type=int, default=2, help="processes at once")
    chosen = parser.parse_args()
    match chosen.command:
        case "show" if chosen.files:
            _files(chosen.seed)
        case "show":
            _show(chosen.seed, chosen.aspect or "")
        case "codes":
            _codes()
        case _:
            _freeze(keep=chosen.differences, jobs=chosen.jobs)


def _show(seed: int, aspect: str) -> None:
    ((_, found),) = cases.values([seed])
    shown = {name: value for name, value in found.items() if name.startswith(aspect)}
    json.dump(shown, sys.stdout, indent=1, ensure_ascii=False, sort_keys=True)
    print()


def _files(seed: int) -> None:
    project = cases.project(seed)
    for round_ in ("before", "after"):
        for name, content in project.contents().items():
            print(f"===== {name} ({round_})\n{content.decode(errors='backslashreplace')}")
        if round_ == "before":
            cases.change(project)
    print(f"===== {project.note}")


def _freeze(*, keep: bool, jobs: int) -> None:
    was = cases.frozen() if cases.FROZEN.exists() else {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        parts = pool.map(cases.all_digests, [range(part, cases.COUNT, _PARTS) for part in range(_PARTS)])
        found = {seed: text for part in parts for seed, text in part.items()}
    for seed, now in sorted(found.items()):
        if seed in was and was[seed] != now:
            print(cases.different(seed, was[seed], now))
    if not keep:
        cases.FROZEN.parent.mkdir(exist_ok=True)
        head = f"# Digests of what becomes of each case (python -m tests.vectors): {', '.join(ASPECTS)}.\n"
        lines = (f"{seed} {text}\n" for seed, text in sorted(found.items()))
        cases.FROZEN.write_text(head + "".join(lines), encoding="utf-8")


# --- codes --------------------------------------------------------------------------------------------------------


def _codes() -> None:
    reached: Counter[str] = Counter()
    first: dict[str, int] = {}
    for seed, found in cases.values(range(0, cases.COUNT, int(__import__("os").environ.get("STEP", "1")))):
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
    paths = (*root.glob("pipeline/**/*.py"), *root.glob("operations/**/*.py"), root / "model" / "git_lfs.py")
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
