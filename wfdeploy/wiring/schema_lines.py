"""The lines by which manifests name a schema for editors, and whether what they name is this version's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from wfdeploy.documents.schemas import schema_text
from wfdeploy.files.access import open_regular, read_at_most
from wfdeploy.files.bounds import Bounds, OutOfBoundsError

_LINE = re.compile(rb"^#[ \t]*yaml-language-server:[ \t]*\$schema=(\S+)", re.MULTILINE)
_HEAD_BYTES = 4096
_MOST_BYTES = 1 << 22


class SchemaLine(NamedTuple):
    """One such line.

    kind: which schema it should be, as `wfdeploy schema` calls it.
    named: as it stands there.
    problem: what is wrong with it; None for nothing.
    """

    file: Path
    kind: str
    named: str
    problem: str | None


def read_schema_lines(files: Iterable[tuple[str, Path]], bounds: Bounds) -> Iterator[SchemaLine]:
    """Yield the lines of files that have one. Schemas are only read within the bounds; an address isn't looked up.

    files: each with the kind of schema that it should name.
    """
    compare = cache(_problem_of)
    for kind, file in files:
        try:
            with open_regular(file) as opened:
                found = _LINE.search(opened.read(_HEAD_BYTES))
        except OSError:
            continue  # reported with the manifests
        if found is None:
            continue
        named = found[1].decode(errors="replace")
        problem = None if "://" in named else compare(kind, file.parent / named, bounds)
        yield SchemaLine(file, kind, named, problem)


def _problem_of(kind: str, path: Path, bounds: Bounds) -> str | None:
    try:
        content = read_at_most(bounds.resolve(path), _MOST_BYTES)
    except OutOfBoundsError as error:
        return f"it {error.reason}, so it isn't read"
    except OSError:
        return "there is no such file"
    return None if content == schema_text(kind).encode() else "it is not the schema of this version"
