"""The footer of a Parquet file, beside what pyarrow says of sound ones."""

from __future__ import annotations

import io
import random
from contextlib import suppress
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

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
