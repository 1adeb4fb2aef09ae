"""Data files of every kind, packed ones too: rows, or a word about the file and its line."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import ODD_NUMBERS, Damage
from tests.fuzz.project import CANARY, dumped, project
from tests.fuzz.sound import check_diagnostics, check_error
from tests.support.declared import declared_runs
from wfdeploy.errors import WfdeployError
from wfdeploy.manifests.manifests import load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.project import Project

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROWS: list[dict[str, Any]] = [
    {"id": f"u{n}", "name": f"Ann {n}", "seats": n, "on": n % 2 == 0, "tags": ["a", {"b": n}]} for n in range(8)
]
FLAT = [{key: row[key] for key in ("id", "name", "seats")} for row in ROWS]
SCHEMA = """
        rowSchema:
          type: object
          required: [id]
          properties: {id: {type: string, pattern: "^(u+[0-9]*)+$"}, seats: {type: integer, minimum: 0}}"""
MANIFEST = """apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: rows}
spec:
  destination: https://a
  runs:
    - name: row
      key: ${{ row.id }}
      forEach:
        file: data.%s%s%s
      body: {row: "${{ row }}", text: "x-${{ row.name }}"}
"""


def delimited(delimiter: str) -> bytes:
    lines = [
        delimiter.join(FLAT[0]),
        *(delimiter.join(f'"{v}"' if n % 3 else str(v) for v in row.values()) for n, row in enumerate(FLAT)),
    ]
    return "\n".join(lines).encode() + b"\r\n"


def parquet(rows: list[Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, compression="snappy")
    return sink.getvalue()


def plain_sample(damage: Damage, form: str) -> bytes:
    """A file of this form, sound or damaged."""
    rng = damage.rng
    rows: Any = ROWS if form in ("json", "jsonl", "yaml") else FLAT
    if rng.random() < 0.02 and form in ("json", "jsonl", "yaml"):
        return damage.nested()
    if rng.random() < 0.5 and form not in ("csv", "tsv"):
        rows = damage.value(rows, ["u1", "id", *ODD_NUMBERS])
    match form:
        case "csv" | "tsv":
            data = delimited("," if form == "csv" else "\t")
        case "jsonl":
            data = b"\n".join(
                damage.encoded(row).replace(b"\n", b"") for row in (rows if isinstance(rows, list) else [rows])
            )
        case "json":
            data = damage.encoded(rows)
        case "yaml":
            data = dumped(rows)
        case _:
            try:
                data = parquet(rows)
            except (pa.ArrowException, LookupError, AttributeError, TypeError, OverflowError, UnicodeError):
                data = parquet(FLAT)
    return data if rng.random() < 0.35 else damage.octets(data, [json.dumps(ROWS).encode(), delimited(",")])


def packed(damage: Damage, data: bytes) -> tuple[str, bytes]:
    """Perhaps packed, and perhaps damaged then. The suffix, and the content."""
    rng = damage.rng
    suffix = rng.choice(("", "", "", ".gz", ".bz2", ".xz", ".zst"))
    match suffix:
        case ".gz":
            data = gzip.compress(data)
        case ".bz2":
            data = bz2.compress(data)
        case ".xz":
            data = lzma.compress(data)
        case ".zst":
            data = zstd.compress(data)
    return suffix, damage.octets(data) if suffix and rng.random() < 0.6 else data


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "jsonl", "yaml", "parquet"])
def test_data_files_give_rows_or_say_why_not(form: str) -> None:
    with project() as root:

        def example(rng: random.Random, done: Hunt) -> None:
            damage = Damage(rng)
            suffix, data = packed(damage, plain_sample(damage, form))
            file = root.root / f"data.{form}{suffix}"
            file.write_bytes(data)
            done.input = data
            more = rng.choice(("", "\n        onBadRow: skip"))
            text = MANIFEST % (f"{form}{suffix}", rng.choice(("", SCHEMA)), more)
            try:
                judged(root, text, done)
            finally:
                file.unlink()

        done = hunt(f"data files: {form}", 80, example, allowed=root.root.parent)
        assert min(done.outcomes["accepted"], done.outcomes["refused"]) > 5 or done.examples < 80


def judged(root: Project, text: str, done: Hunt) -> None:
    how = Loading(stdin=text.encode, cwd=root.root)
    try:
        found = validate(root, ["-"], how=how)
    except WfdeployError as error:
        check_error(error)
        done.note("failed")
        return
    check_diagnostics(found, text)
    assert CANARY not in str(found)
    if any(diagnostic.is_error for diagnostic in found):
        done.note("refused")
        return
    done.note("accepted")
    with (
        load_manifests(root, ["-"], how=how) as first,
        load_manifests(root, ["-"], how=how) as second,
    ):
        assert first.digest == second.digest
        assert len({run.address for run in declared_runs(first)}) == len(first.runs)
