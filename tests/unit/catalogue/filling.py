"""Catalogues that hold a few runs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from wfdeploy.catalogue import database
from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.catalogue.chunks import WHOLE_FILE
from wfdeploy.catalogue.entries import Cache
from wfdeploy.model.address import Address
from wfdeploy.model.run import DesiredRun, Group, Source

KEY = b"k" * 32


def desired(address: str, number: int = 0, fingerprint: str = "1:a", **more: object) -> DesiredRun:
    group = more.pop("group", None) or Group(address.partition("/")[0])
    return DesiredRun(
        Address(address),
        fingerprint,
        "d",
        group,  # type: ignore[arg-type]
        Source("m.yaml", 3, number),
        number=number,
        **more,  # type: ignore[arg-type]
    )


def fill(folder: Path | None, *runs: DesiredRun, key: str | None = "key") -> Catalogue:
    catalogue = Catalogue(None if folder is None else Cache(folder, KEY))
    with catalogue.new_entry(0, "m.yaml") as writer:
        for name in dict.fromkeys(run.group.name for run in runs):
            members = [run for run in runs if run.group.name == name]
            writer.add_group(members[0].group, [(WHOLE_FILE, iter(members))])
        writer.key = key
        writer.reads = {"data.csv": "abc"}
        writer.notes = {"said": ["x"]}
    catalogue.seal()
    return catalogue


def cached(folder: Path, key: str = "key") -> Catalogue:
    catalogue = Catalogue(Cache(folder, KEY))
    kept = catalogue.cached(key)
    assert kept is not None
    assert (kept.reads, kept.notes) == ({"data.csv": "abc"}, {"said": ["x"]})
    catalogue.take(kept, 0, "m.yaml")
    catalogue.seal()
    return catalogue


def change(folder: Path, statement: str, *values: object) -> None:
    """What somebody does who can write to the cache, and doesn't know the key."""
    connection = sqlite3.connect(folder / database.FILE)
    connection.execute(statement, values)
    assert connection.total_changes >= 1
    connection.commit()
    connection.close()
