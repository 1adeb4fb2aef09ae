"""How far reading is: what is said of it never goes back, and ends where the files do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from wfdeploy.catalogue.entries import Cache
from wfdeploy.manifests import parsing
from wfdeploy.manifests.manifests import validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.event import Event, Reading
from wfdeploy.model.project import Project

HEAD = "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: %s}\nspec:\n  destination: https://a.example.com\n"
GENERATED = HEAD + "  runs:\n    - {name: r, forEach: {file: %s}, key: '${{ row.id }}'%s}\n"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "_REPORTED_EVERY", 500)


def manifest(root: Path, name: str, text: str) -> int:
    (root / "manifests").mkdir(exist_ok=True)
    return (root / "manifests" / f"{name}.yaml").write_text(text)


def rows(path: Path, count: int = 10_000) -> int:
    lines = "".join(json.dumps({"id": f"c{n:05}", "text": "x" * 50}) + "\n" for n in range(count))
    return path.write_text(lines)


def told(root: Path, cache: Cache | None = None) -> list[Reading]:
    events: list[Event] = []
    validate(Project(root=root), how=Loading(cwd=root, cache=cache, listener=events.append))
    *found, last = [event for event in events if isinstance(event, Reading)]
    assert (last.done, last.runs) == (True, found[-1].runs)
    assert [event.part for event in found] == sorted(event.part for event in found)
    assert all(event.part <= event.whole for event in found)
    return found


def test_rows_are_read_by_the_bytes(tmp_path: Path) -> None:
    size = rows(tmp_path / "rows.jsonl") + manifest(tmp_path, "m", GENERATED % ("m", "../rows.jsonl", ""))
    found = told(tmp_path)
    assert len(found) == 20
    assert {event.whole for event in found} == {size}
    assert found[0].part < size / 2 < found[15].part
    assert found[-1].part > 0.99 * size


def test_a_data_file_counts_once_it_is_opened(tmp_path: Path) -> None:
    first = rows(tmp_path / "a.jsonl", 3000)
    second = rows(tmp_path / "b.jsonl", 5000)
    manifests = sum(manifest(tmp_path, name, GENERATED % (name, f"../{name}.jsonl", "")) for name in "ab")
    found = told(tmp_path)
    assert [event.whole for event in found] == [manifests + first] * 6 + [manifests + first + second] * 10
    assert found[-1].part > 0.99 * found[-1].whole


def test_packed_rows_are_read_by_the_bytes_on_disk(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl")
    packed = gzip.compress((tmp_path / "rows.jsonl").read_bytes())
    (tmp_path / "rows.jsonl.gz").write_bytes(packed)
    size = len(packed) + manifest(tmp_path, "m", GENERATED % ("m", "../rows.jsonl.gz", ""))
    assert {event.whole for event in told(tmp_path)} == {size}


def test_of_a_file_that_is_read_before_its_rows_come_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([{"id": n} for n in range(1000)]))
    manifest(tmp_path, "a", GENERATED % ("a", "../rows.json", ""))
    rows(tmp_path / "rows.jsonl", 1000)
    manifest(tmp_path, "b", GENERATED % ("b", "../rows.jsonl", ""))
    assert [event.whole > 0 for event in told(tmp_path)] == [False, False, True, True]


@pytest.mark.parametrize("kinds", [1, 2])
def test_listed_runs_are_read_by_the_lines(tmp_path: Path, kinds: int) -> None:
    listed = "".join(f"    - {{name: r{n}}}\n" if n % kinds else f"    - name: r{n}\n" for n in range(5000))
    size = sum(manifest(tmp_path, name, f"{HEAD % name}  runs:\n{listed}") for name in "ab")
    found = told(tmp_path)
    assert {event.whole for event in found} == {size}
    for event in found:
        assert event.part / size == pytest.approx(event.runs / 10_000, abs=0.11)


def test_a_file_that_is_known_is_not_in_the_way(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", b"key")
    for name in "abc":
        rows(tmp_path / f"{name}.jsonl", 1000)
        manifest(tmp_path, name, GENERATED % (name, f"../{name}.jsonl", ""))
    told(tmp_path, cache)
    rows(tmp_path / "b.jsonl", 1500)
    found = told(tmp_path, cache)
    assert [event.runs // 500 for event in found] == [1, 2, 3]
    assert found[-1].part > 0.99 * found[-1].whole


def test_it_goes_on_where_something_is_wrong(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl")
    manifest(tmp_path, "m", GENERATED % ("m", "../rows.jsonl", ", retries: -1"))
    assert told(tmp_path)[-1].runs == 10_000
