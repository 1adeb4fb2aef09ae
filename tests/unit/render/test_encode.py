"""JSON that is safe to print, and where a run was declared."""

from __future__ import annotations

import json
import re

from hypothesis import given

from tests.unit.render.views import TEXT, is_safe
from wfdeploy.model.diagnostic import Place
from wfdeploy.model.run import Source
from wfdeploy.render.encode import dump, source_fields
from wfdeploy.render.terminal import printable


def test_a_run_that_is_listed_is_shown_by_its_line() -> None:
    source = Source("manifests/a.yaml", 7, 2)
    assert source_fields(source) == {"file": "manifests/a.yaml", "line": 7}
    assert str(source) == "manifests/a.yaml:7"
    assert source.place == Place("manifests/a.yaml", 7)


def test_a_run_of_a_row_is_shown_by_its_row() -> None:
    source = Source("manifests/a.yaml", 7, 2, "data/users.csv", 17)
    assert source_fields(source) == {"file": "manifests/a.yaml", "line": 7, "data": "data/users.csv", "row": 17}
    assert str(source) == "data/users.csv:17"
    assert source.place == Place("data/users.csv", 17)


@given(TEXT)
def test_json_is_safe_and_means_the_same(text: str) -> None:
    encoded = dump({text: text})
    assert is_safe(encoded)
    # Half of a surrogate pair can't be written in JSON that everybody reads: it becomes the text that shows it.
    meant = re.sub("[\ud800-\udfff]", lambda half: printable(half[0]), text)
    assert json.loads(encoded) == {meant: meant}
