"""YAML lists and Parquet files."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from tests.unit.pipeline.expand.expanding import from_file


def packed(columns: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer, **options)
    return buffer.getvalue()


def test_yaml_rows(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.yml", b"# rows\n- {id: no, when: 2026-01-01}\n\n- id: b\n  n: 0o17\n")
    assert found.told == []
    assert found.bodies == [{"id": "no", "when": "2026-01-01"}, {"id": "b", "n": 15}]
    assert [run.source.row for _, run in found.runs] == [2, 4]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "a.yaml:1 not-rows"),
        (b"id: 1", "a.yaml:1 not-rows"),
        (b"- 1\n---\n- 2\n", "a.yaml:1 not-rows"),
        (b"- {id: 1}\n- {id: 1, id: 2}\n", "a.yaml:2 duplicate-key"),
        (b"- [\n", "a.yaml:1 yaml-syntax"),
        (b"- {id: 1}\n- \xff", "a.yaml:2 data-file-not-utf8"),
    ],
)
def test_yaml_that_cannot_be_read_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    assert from_file(tmp_path, "a.yaml", content).told == [told]


def test_bad_yaml_rows_are_told_by_their_numbers(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.yaml", b"[{id: a}, 1, 2]")
    assert [one.message for one in found.diagnostics] == [
        "row 2: key: row.id is not defined",
        "row 3: key: row.id is not defined",
    ]


def test_parquet_rows(tmp_path: Path) -> None:
    columns = {
        "id": ["a", "b"],
        "n": [1, None],
        "when": [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), None],
        "day": [datetime.date(2026, 1, 1), None],
        "price": [decimal.Decimal("1.10"), None],
        "tags": [["x"], []],
        "at": [{"x": 1.5}, None],
    }
    found = from_file(tmp_path, "a.parquet", packed(columns))
    assert found.told == []
    assert found.bodies == [
        {
            "id": "a",
            "n": 1,
            "when": "2026-01-01T00:00:00+00:00",
            "day": "2026-01-01",
            "price": "1.1",
            "tags": ["x"],
            "at": {"x": 1.5},
        },
        {"id": "b", "n": None, "when": None, "day": None, "price": None, "tags": [], "at": None},
    ]
    assert [run.source.row for _, run in found.runs] == [1, 2]


def test_parquet_rows_of_several_row_groups(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.parquet", packed({"id": list(range(10_000))}, row_group_size=300))
    assert found.keys == [str(number) for number in range(10_000)]


@pytest.mark.parametrize("name", ["a.parquet.gz", "a.parquet.zst", "a.gz"])
def test_packed_parquet_is_to_be_unpacked_first(tmp_path: Path, name: str) -> None:
    content = gzip.compress(packed({"id": ["a"]}))
    found = from_file(tmp_path, name, content, more=", format: parquet" if name == "a.gz" else "")
    assert found.told == ["m.yaml:8 packed-parquet"]
    assert found.diagnostics[0].hint == "unpack it first"


def test_parquet_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    assert from_file(tmp_path, "a.parquet", b"nothing").told == ["m.yaml:8 data-file-broken"]
    whole = packed({"id": list(range(1000))})
    assert from_file(tmp_path, "a.parquet", whole[:-100]).told == ["m.yaml:8 data-file-broken"]
    found = from_file(
        tmp_path, "a.parquet", packed({"id": ["a", "b"], "raw": [None, b"\x00"], "x": [1.0, float("nan")]})
    )
    assert found.told == ["a.parquet:2 bad-row"]
    found = from_file(tmp_path, "a.parquet", packed({"id": [1], "x": [float("nan")]}))
    assert found.told == ["a.parquet:1 not-a-json-number"]
