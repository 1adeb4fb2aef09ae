"""Where a run is declared, as JSON fields."""

from __future__ import annotations

from wfdeploy.model.run import Source


def source_fields(source: Source) -> dict[str, object]:
    """The manifest's file and line; the data file and its row, where a generator read one."""
    fields: dict[str, object] = {"file": source.file, "line": source.line}
    if source.data is not None:
        fields |= {"data": source.data, "row": source.row}
    return fields
