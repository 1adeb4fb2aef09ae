"""What a catalogue notes about a file: warnings and moves, told again, and thrown away when nobody wrote them so."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.support.workbench import Workbench, planned
from tests.unit.manifests.remembering import manifest, no_parsing, put, said
from wfdeploy.catalogue import database
from wfdeploy.catalogue.entries import Cache
from wfdeploy.manifests.manifests import load_manifests
from wfdeploy.manifests.reading import Loading


def test_a_file_with_an_error_is_not_remembered_and_warnings_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"manifests/a.yaml": manifest("a", "{name: x, retries: -1}"), "manifests/b.yaml": "# nothing\n"}
    project, cache = put(tmp_path, files), Cache(tmp_path / "cache", b"key")
    first = said(project, cache)
    assert len(first) == 2
    assert said(project, cache) == first == said(project, None)
    put(tmp_path, {"manifests/a.yaml": manifest("a", "{name: x}")})
    (warning,) = said(project, cache)
    with no_parsing(monkeypatch):
        assert said(project, cache) == [warning]


def test_moves_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = put(tmp_path, {"manifests/a.yaml": manifest("a", "{name: x}", more="  moved: [{from: c, to: a}]\n")})
    cache = Cache(tmp_path / "cache", b"key")
    moved = [load_manifests(project, how=Loading(cwd=tmp_path, cache=cache)).moved]
    with no_parsing(monkeypatch):
        moved.append(load_manifests(project, how=Loading(cwd=tmp_path, cache=cache)).moved)
    assert moved[0] == moved[1] != ()


WARNING = {
    "severity": "warning",
    "code": "c",
    "message": "m",
    "place": ["f", 1, 1],
    "address": "",
    "hint": None,
    "excerpt": None,
}
SHAPES: tuple[object, ...] = (
    None,
    True,
    1,
    "x",
    "\0",
    "\ud800",
    [],
    [1],
    [["x"]],
    {},
    {"x": 1},
    {"\0": "x"},
    [{"a": 1}],
)
OTHERS: tuple[object, ...] = (1, {}, "error", ["f"])
MOVES = [["a", "b"], [1, 2, 3, 4], ["a", "b", "c", "d"]]
SPOILT: list[tuple[str, object]] = [
    *((column, shape) for column in ("reads", "notes", "settings", "runs") for shape in SHAPES),
    *(("notes", {"warnings": shape}) for shape in SHAPES),
    *(("notes", {"warnings": [{**WARNING, name: shape}]}) for name in WARNING for shape in OTHERS),
    *(("notes", {"moves": shape}) for shape in (*SHAPES, *([move] for move in MOVES))),
    *(("reads", {name: "x"}) for name in ("\0", "\ud800", "/", "manifests")),
]


@pytest.mark.parametrize(("column", "value"), SPOILT)
def test_json_of_another_shape_is_thrown_away(bench: Workbench, column: str, value: object) -> None:
    table = {"settings": "groups", "runs": "chunks"}.get(column, "entries")
    connection = sqlite3.connect(bench.root / ".wfdeploy" / "cache" / database.FILE)
    connection.execute(f"UPDATE {table} SET {column} = ?", (json.dumps(value),))
    connection.execute("UPDATE groups SET total = zeroblob(32)")  # so that the group is looked at
    assert connection.total_changes == 2
    connection.commit()
    connection.close()
    for _ in range(2):
        assert planned(bench.plan()) == {}
        assert said(bench.project, Cache(bench.root / ".wfdeploy" / "cache", b"key")) == []
