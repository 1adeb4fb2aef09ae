"""Diagnostics: as they were reviewed, in great numbers, and of long lines."""

from __future__ import annotations

import json

import pytest

from tests.golden_files import GOLDEN
from tests.unit.render import samples
from tests.unit.render.views import Golden, joined, tagged
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.render import diagnostics


def made(message: str, number: int = 0, *, file: str = "a.yaml", code: str = "c", address: str = "") -> Diagnostic:
    return Diagnostic(code=code, message=message, place=Place(file, number + 1), address=address)


def lines(*found: Diagnostic, everything: bool = False) -> list[str]:
    return diagnostics.text(found, everything=everything).splitlines()


def test_many_that_say_the_same_are_counted() -> None:
    found = [made("this is wrong", n) for n in range(100_000)]
    *shown, counted = lines(*found)
    assert shown == [f"a.yaml:{n}:1: this is wrong" for n in range(1, 6)]
    assert counted == "  and 99,995 more like this in a.yaml, shown by 'wfdeploy validate --all'"
    assert len(lines(*found, everything=True)) == 100_000
    assert len(json.loads("".join(diagnostics.json_text(found)))["diagnostics"]) == 100_000


def test_few_are_all_shown() -> None:
    assert len(lines(*(made("this is wrong", n) for n in range(7)))) == 7
    assert len(lines(*(made("this is wrong", n) for n in range(8)))) == 6


@pytest.mark.parametrize(
    "message",
    [
        "{a} is already declared, at b.yaml:{n}",
        "a label can't be '{w} x'",
        "a label can't be \"{w}'s\"",
        "payloads/{w}.json does not exist",
        "the body has {n},123 bytes; at most 1,000,000 are sent",
        "runs[{n}] must be a mapping, not the text '{w}'",
        "vars.{w} is not defined",
    ],
)
def test_what_a_message_names_makes_no_difference(message: str) -> None:
    words = ["".join(chr(97 + int(digit)) for digit in str(n)) for n in range(1000)]
    found = [made(message.format(n=n, w=w, a=f"g/{w}"), n, address=f"g/{w}") for n, w in enumerate(words)]
    assert len(lines(*found)) <= 21
    assert "more like this" in lines(*found)[-1]


def test_other_mistakes_files_and_severities_are_not_hidden() -> None:
    found = [made("the field 'retires' is not known here", n) for n in range(50)]
    found[30] = made("the field 'lables' is not known here", 30)
    found[40] = made("retries is -1; it must be at least 0", 40)
    found += [made("the field 'retires' is not known here", n, file="b.yaml") for n in range(50)]
    found.append(
        Diagnostic(
            severity=Severity.WARNING, code="c", message="the field 'retires' is not known here", place=Place("a.yaml")
        )
    )
    shown = lines(*found)
    assert [line.split(": ")[0] for line in shown] == [
        *(f"a.yaml:{n}:1" for n in (1, 2, 3, 4, 5, 31)),
        "  and 43 more like this in a.yaml, shown by 'wfdeploy validate --all'",
        "a.yaml:41:1",
        *(f"b.yaml:{n}:1" for n in range(1, 6)),
        "  and 45 more like this in b.yaml, shown by 'wfdeploy validate --all'",
        "a.yaml:1:1",
    ]


@pytest.mark.parametrize("column", [1, 30, 1_000_000, 2_000_001])
def test_line_of_megabytes_is_cut_around_the_place(column: int) -> None:
    line = ("x" * (column - 1) + "HERE").ljust(2_000_000, "y")
    found = Diagnostic(code="c", message="m", place=Place("a.yaml", 1, column), excerpt=line)
    _, excerpt, caret = diagnostics.text([found], width=80).splitlines()
    assert len(excerpt) <= 80
    assert excerpt[caret.index("^") :].startswith("HERE")


def test_diagnostics(golden: Golden) -> None:
    golden(GOLDEN / "diagnostics" / "all.txt", diagnostics.text(samples.DIAGNOSTICS))
    golden(GOLDEN / "diagnostics" / "narrow.txt", diagnostics.text(samples.DIAGNOSTICS, tagged, width=50))
    golden(GOLDEN / "diagnostics" / "all.json", joined(diagnostics.json_text(samples.DIAGNOSTICS)))
    golden(GOLDEN / "diagnostics" / "none.json", joined(diagnostics.json_text(())))
