"""One process of a crew: `python -m wfdeploy.operations.parallel.member TASK`.

It says on standard output, a number a line, how many runs it has read. What it can't do it leaves to the process that
started it, which tells the user what is wrong.
"""

from __future__ import annotations

import gc
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.model.event import Event
from wfdeploy.model.event import Reading as ReadingEvent
from wfdeploy.model.project import Project
from wfdeploy.model.shard import Shard
from wfdeploy.operations.parallel.parcels import Packer
from wfdeploy.operations.parallel.stash import Stash
from wfdeploy.operations.reading import Reading, Wanted
from wfdeploy.pipeline.load.parts import Part
from wfdeploy.pipeline.load.sources import Found
from wfdeploy.ports import MakeEncoder

MIXED = "mixed"
"""A file of this name stands beside stashes that hold not only parcels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one process is to read, into `folder`. `files` with their positions, and the part that is meant (None: all);
    `stashes`: whether requests are wanted too, each file's under the name of its position; with an `encoder`, as
    parcels where that can be; `key`: of the catalogue's entries."""

    folder: Path
    project: Project
    cwd: Path
    variables: Mapping[str, object]
    shard: Shard | None
    files: tuple[tuple[int, Found, Part | None], ...]
    stashes: bool
    encoder: MakeEncoder | None
    key: bytes


def main(path: str) -> None:
    """Carry out the task in a file. Whatever goes wrong ends this process, and that is all."""
    gc.disable()  # it lives for a few seconds, and most of what it makes lives as long
    with Path(path).open("rb") as file:
        task: Task = pickle.load(file)  # noqa: S301 - written by the process that started this one, for it alone
    catalogue = Catalogue(task.folder, task.key)
    wanted = Wanted(
        project=task.project,
        paths=None,
        cwd=task.cwd,
        variables=task.variables,
        stdin=bytes,
        keep=0,
        shard=task.shard,
        listener=_tell,
        key=task.key,
    )
    reading = Reading(wanted, catalogue, thorough=False)
    packer = None if task.encoder is None else Packer(task.project, task.encoder)
    for position, found, part in task.files:
        if not task.stashes:
            reading.take_in(position, found, part=part)
            continue
        with Stash(task.folder / str(position)) as stash:
            reading.take_in(position, found, partial(stash.put, packer), part)
    if packer is not None and packer.declined:
        (task.folder / MIXED).touch()
    catalogue.seal()
    catalogue.close()


def _tell(event: Event) -> None:
    if isinstance(event, ReadingEvent):
        sys.stdout.write(f"{event.runs}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
