"""Data files: rows in each of the formats, and lines that are no rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from tests.vectors.writing import Raw, Style, Writer


@dataclass
class Table:
    """A data file. `raw`: lines that are written as they stand, by position."""

    path: str
    rows: list[dict[str, Any]]
    columns: tuple[str, ...]
    raw: dict[int, bytes] = field(default_factory=dict)
    eol: str = "\n"

    def content(self) -> bytes:
        name = self.path.removesuffix(".gz")
        separator = "\t" if name.endswith(".tsv") else ","
        if name.endswith(".json"):
            text = json.dumps(self.rows, indent=1, ensure_ascii=False)
        elif name.endswith(".yaml"):
            text = Writer(Style(), self.path).file([self.rows or Raw("[]\n")]).decode()
        elif name.endswith(".jsonl"):
            text = "".join(json.dumps(row, ensure_ascii=False) + self.eol for row in self.rows)
        else:
            cells = [list(self.columns), *([_cell(row.get(name)) for name in self.columns] for row in self.rows)]
            text = "".join(separator.join(_quoted(cell, separator) for cell in line) + self.eol for line in cells)
        lines = text.encode().split(b"\n")
        for position, line in sorted(self.raw.items()):
            lines.insert(min(position, len(lines) - 1), line)
        data = b"\n".join(lines)
        return packed(data) if self.path.endswith(".gz") else data


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _quoted(cell: str, separator: str) -> str:
    if any(char in cell for char in f'"\r\n{separator}'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def packed(data: bytes) -> bytes:
    """As a gzip file, stored and not compressed: its bytes depend on no library."""
    blocks = [data[start : start + 0xFFFF] for start in range(0, len(data), 0xFFFF)] or [b""]
    body = b"".join(
        bytes([number == len(blocks) - 1])
        + len(block).to_bytes(2, "little")
        + (0xFFFF - len(block)).to_bytes(2, "little")
        + block
        for number, block in enumerate(blocks)
    )
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")
