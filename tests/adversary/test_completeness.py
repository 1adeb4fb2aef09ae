"""No assumption is left out: not here, and not on the page."""

from __future__ import annotations

import re
from pathlib import Path

import tests.adversary as adversary

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guarantees.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def test_each_assumption_is_violated_and_its_consequence_named() -> None:
    numbers = re.findall(r"^(\d+)\. \*\*", section("What it rests on"), re.MULTILINE)
    assert numbers
    assert re.findall(r"^(\d+)\. `(?:test_\w+\.py)`", adversary.__doc__ or "", re.MULTILINE) == numbers
    assert re.findall(r"^\| (\d+) \|", section("When an assumption is wrong"), re.MULTILINE) == numbers


def test_the_files_that_it_names_are_there() -> None:
    folder = Path(__file__).parent
    named = set(re.findall(r"`(test_\w+\.py)`", adversary.__doc__ or ""))
    assert named | {Path(__file__).name} == {file.name for file in folder.glob("test_*.py")}
