"""Parquet files: rows, their bounds, and the footer beside what pyarrow says of sound ones."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import random
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.unit.manifests.expand.expanding import from_file
from wfdeploy.manifests.expand.data.parquet_rows import ColumnSize, column_sizes

COLUMNS: dict[str, list[Any]] = {
    "id": ["a", "b", None, "d"],
    "tags": [[], ["x", "y"], None, ["z"] * 20],
    "of": [{"a": 1, "b": [1.5]}] * 4,
    "pairs": [[("k", True)]] * 4,
    "is": [True, False, None, True],
}


def written(**options: Any) -> bytes:
    buffer = io.BytesIO()
    types = {"pairs": pyarrow.map_(pyarrow.string(), pyarrow.bool_())}
    table = pyarrow.table({name: pyarrow.array(values, types.get(name)) for name, values in COLUMNS.items()})
    parquet.write_table(table.replace_schema_metadata({"more": "x" * 300}), buffer, **options)
    return buffer.getvalue()


def footer_of(content: bytes) -> bytes:
    return content[-8 - int.from_bytes(content[-8:-4], "little") : -8]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 1},
        {"compression": "gzip", "write_statistics": False, "write_page_index": True},
        {"sorting_columns": [parquet.SortingColumn(0)], "version": "1.0", "use_dictionary": False},
    ],
)
def test_columns_are_told_as_pyarrow_tells_them(options: dict[str, Any]) -> None:
    content = written(**options)
    told = parquet.read_metadata(io.BytesIO(content))
    columns = [
        ColumnSize(number, one.num_values, one.total_compressed_size, one.total_uncompressed_size)
        for group in map(told.row_group, range(told.num_row_groups))
        for number, one in enumerate(map(group.column, range(group.num_columns)))
    ]
    assert list(column_sizes(footer_of(content))) == columns
    assert len(columns) == len(told.schema) * told.num_row_groups


@given(st.integers(0, 10**6))
def test_damage_is_told_or_changes_numbers(seed: int) -> None:
    rng = random.Random(seed)
    footer = bytearray(footer_of(written()))
    for _ in range(rng.randint(1, 3)):
        footer[rng.randrange(len(footer))] = rng.randrange(256)
    with suppress(ValueError):
        assert all(isinstance(number, int) for column in column_sizes(bytes(footer)) for number in column)


@pytest.mark.parametrize(
    "footer",
    [
        b"",
        b"\x49",  # row groups, and nothing of them
        b"\x49\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # more than there can be
        b"\x49\x15\x00",  # of integers
        b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x11",  # a map of as many booleans
        b"\x19" * 200,
        b"\x1c" * 200,
        b"\x1e\x00",
        b"\x16" + b"\xff" * 20,
        b"\x49\x1c\x19\x1c\x00\x00\x00",  # a column without sizes
    ],
)
def test_what_is_no_footer_is_told(footer: bytes) -> None:
    with pytest.raises(ValueError, match="footer"):
        list(column_sizes(footer))


def packed(columns: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer, **options)
    return buffer.getvalue()


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


def _shared(text: str, count: int) -> pyarrow.Array:
    return pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * count, pyarrow.int32()), pyarrow.array([text]))


def _list_of(values: pyarrow.Array) -> pyarrow.Array:
    return pyarrow.LargeListArray.from_arrays(pyarrow.array([0, len(values)], pyarrow.int64()), values)


_MEBIBYTE = "x" * (1 << 20)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"id": list(range(3000)), "s": _shared(_MEBIBYTE, 3000)}, "data-file-too-big"),
        ({"id": list(range(3000)), "s": pyarrow.StructArray.from_arrays([_shared(_MEBIBYTE, 3000)], ["t"])}, None),
        ({"id": [1], "s": _list_of(_shared(_MEBIBYTE, 3000))}, "row-too-long"),
        (
            {
                "id": list(range(50)),
                "s": pyarrow.MapArray.from_arrays(
                    pyarrow.array(range(0, 5100, 100), pyarrow.int32()),
                    pyarrow.array([str(n) for n in range(5000)]),
                    _shared(_MEBIBYTE, 5000),
                ),
            },
            "row-too-long",
        ),
        ({"id": [1], "s": _list_of(pyarrow.nulls(9_000_000, pyarrow.int8()).fill_null(0))}, "data-file-too-big"),
        ({"id": list(range(70)), "s": [_MEBIBYTE + str(number) for number in range(70)]}, "data-file-too-big"),
    ],
    ids=["texts", "structs", "list of texts", "maps", "list", "packed pages"],
)
def test_parquet_takes_no_room_that_its_size_does_not_allow(
    tmp_path: Path, columns: dict[str, Any], told: str | None
) -> None:
    """A page says how often a value comes, so some hundred bytes can be gigabytes of rows."""
    content = packed(columns, compression="zstd", use_dictionary="s" in columns and len(columns["id"]) != 70)
    assert len(content) < 20_000
    tracemalloc.start()
    before = pyarrow.default_memory_pool().max_memory()
    try:
        found = from_file(tmp_path, "a.parquet", content)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    assert pyarrow.default_memory_pool().max_memory() - before < 200 << 20
    assert found.told[-1:] == [f"m.yaml:8 {told or 'data-file-too-big'}"]


def test_parquet_texts_in_all_places(tmp_path: Path) -> None:
    columns = {
        "id": ["a", "b"],
        "s": [{"t": "x", "u": ["y", None]}, None],
        "l": [["x", "x"], []],
        "m": pyarrow.array([[("k", "v")], None], pyarrow.map_(pyarrow.string(), pyarrow.string())),
    }
    found = from_file(tmp_path, "a.parquet", packed(columns))
    assert found.told == []
    assert found.bodies == [
        {"id": "a", "s": {"t": "x", "u": ["y", None]}, "l": ["x", "x"], "m": [["k", "v"]]},
        {"id": "b", "s": None, "l": [], "m": None},
    ]


def test_a_parquet_footer_that_pyarrow_stumbles_over_is_told(tmp_path: Path) -> None:
    """Each byte of it is another one: pyarrow's own view of such columns ended the process."""
    whole = packed({"id": ["a", "b"], "n": [1, 2]})
    begin = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for position in range(begin, len(whole) - 8):
        for byte in (0, 1, whole[position] ^ 1):
            content = whole[:position] + bytes((byte,)) + whole[position + 1 :]
            from_file(tmp_path, "a.parquet", content)


@pytest.mark.parametrize("kind", [pyarrow.timestamp("ns"), pyarrow.time64("ns")])
def test_nanoseconds_have_a_sentence_of_their_own(tmp_path: Path, kind: pyarrow.DataType) -> None:
    found = from_file(tmp_path, "a.parquet", packed({"id": ["a"], "t": pyarrow.array([1001], type=kind)}))
    assert found.told in (["m.yaml:8 nanoseconds"], []), "with pandas it can be read"
    even = from_file(tmp_path, "b.parquet", packed({"id": ["a"], "t": pyarrow.array([1000], type=kind)}))
    assert even.told == []
