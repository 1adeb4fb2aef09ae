from __future__ import annotations

from wfdeploy.model.diagnostic import Place
from wfdeploy.model.run import Source
from wfdeploy.render.encode import source_fields


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
