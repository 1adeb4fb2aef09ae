"""Lines that fit a terminal; without one, nothing is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.render.views import TEXT
from wfdeploy.render.terminal import plain, printable
from wfdeploy.render.width import Cell, clip, display_width, table, wrap

ROWS = [(Cell("g/a"), Cell("failed"), Cell("wfr_" + "x" * 200)), (Cell("g/bb"), Cell("running"), Cell("中" * 80))]


def test_a_pipe_gets_every_column_and_every_character() -> None:
    text = "".join(table(("ADDRESS", "STATE", "ID"), ROWS, plain, width=None))
    assert "…" not in text
    assert all(cell.text in text for row in ROWS for cell in row)
    assert text.splitlines()[0] == "ADDRESS  STATE    ID"


def test_a_terminal_gets_what_fits() -> None:
    lines = list(table(("ADDRESS", "STATE", "ID"), ROWS, plain, width=40))
    assert all(display_width(line.rstrip("\n")) <= 40 for line in lines)
    assert next(table(("ADDRESS", "STATE", "ID"), ROWS, plain, width=20)) == "ADDRESS  STATE\n"


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("", 5, [""]),
        ("one two three", None, ["one two three"]),
        ("one two three", 7, ["one two", "three"]),
        ("one two three", 8, ["one two", "three"]),
        ("one two", 7, ["one two"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("中文中文 中", 5, ["中文", "中文", "中"]),
    ],
)
def test_text_is_wrapped_between_words(text: str, columns: int | None, lines: list[str]) -> None:
    assert list(wrap(text, columns)) == lines


def test_without_a_width_nothing_is_clipped() -> None:
    assert clip("x" * 300, None) == "x" * 300


@given(TEXT, st.integers(1, 30))
def test_clipped_text_fits(text: str, columns: int) -> None:
    shown = clip(printable(text), columns)
    assert display_width(shown) <= columns
