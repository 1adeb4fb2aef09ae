from __future__ import annotations

import pytest

from tests.unit.documents.reading import locate, read, source
from wfdeploy.documents.positions import diagnose
from wfdeploy.model.document import FieldPath, Finding, Part

TEXT = """\
a: &shared
  b:
    - 1
    - {c: two}
d: *shared
---
- x
-   y: |
      lines
"""


@pytest.mark.parametrize(
    ("index", "path", "part", "place"),
    [
        (0, (), Part.VALUE, (1, 1)),
        (0, ("a",), Part.KEY, (1, 1)),
        (0, ("a",), Part.VALUE, (1, 4)),
        (0, ("a", "b", 0), Part.VALUE, (3, 7)),
        (0, ("a", "b", 1, "c"), Part.VALUE, (4, 11)),
        (0, ("a", "b", 1, "c"), Part.KEY, (4, 8)),
        (0, ("d",), Part.VALUE, (5, 4)),
        (0, ("d", "b", 1, "c"), Part.VALUE, (4, 11)),
        (0, ("d", "b", 1, "zz"), Part.VALUE, (4, 7)),
        (0, ("zz", 3, "x"), Part.KEY, (1, 1)),
        (1, (1, "y"), Part.VALUE, (8, 8)),
        (1, (1, "y"), Part.KEY, (8, 5)),
        (1, (7,), Part.VALUE, (7, 1)),
    ],
)
def test_locate(index: int, path: FieldPath, part: Part, place: tuple[int, int]) -> None:
    found = locate(source(TEXT), index, path, part)
    assert (found.line, found.column) == place


def test_document_before_a_broken_one_is_located() -> None:
    assert locate(source("a: 1\n---\nb: [\n"), 0, ("a",)).column == 4


def test_document_that_is_not_there() -> None:
    assert str(locate(source("a: 1\n"), 5, ("a",))) == "f.yaml:1:1"


def test_findings_keep_their_order_and_point_at_needles() -> None:
    (document,), _ = read("b: one ${{ vars.x }} two\na: |\n  first\n  then ${{ vars.y }}\n")
    findings = [
        Finding(document=document, path=("a",), code="x", message="m", needle="vars.y"),
        Finding(document=document, path=("b",), code="x", message="m", needle="vars.x"),
        Finding(document=document, path=("b",), code="x", message="m", needle="nowhere"),
    ]
    places = [(d.place.line, d.place.column, d.excerpt) for d in diagnose(findings)]
    assert places == [
        (4, 12, "  then ${{ vars.y }}"),
        (1, 12, "b: one ${{ vars.x }} two"),
        (1, 4, "b: one ${{ vars.x }} two"),
    ]
