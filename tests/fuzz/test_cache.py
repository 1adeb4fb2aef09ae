"""The caches of manifests and of the project file, damaged or forged: what the files say, or what the files say."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import ODD_NUMBERS, ODD_TEXT, Damage
from tests.fuzz.project import dumped, project
from tests.unit.manifests.test_manifest_properties import PROJECT_BASE
from wfdeploy.catalogue.entries import Cache
from wfdeploy.errors import CacheDamaged
from wfdeploy.manifests.manifests import load_manifests
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.project import Project
from wfdeploy.project.file import load_project

PATHS = [f"valid/{name}.yaml" for name in ("full", "generators", "policy", "rollout", "anchors")]
SECRET = b"s" * 32


def declared(root: Project, cache: Cache | None) -> Any:
    """As a command reads: once more without the cache, where it turns out to be damaged while it is read."""
    with load_manifests(root, PATHS, how=Loading(cwd=root.root, cache=cache)) as manifests:
        try:
            identities = {run.address: (run.fingerprint, run.delivery) for run in manifests.runs.runs()}
            return identities, manifests.digest, manifests.moved, manifests.groups, manifests.warnings
        except CacheDamaged:
            if cache is None:
                raise
    return declared(root, None)


def forged(rng: random.Random, file: Path) -> None:
    """A value of some row is another one, or that of another row."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        table = rng.choice(["entries", "groups", "chunks"])
        column = rng.choice([row[1] for row in connection.execute(f"PRAGMA table_info({table})")])
        ids = [number for (number,) in connection.execute(f"SELECT id FROM {table}")]
        number = rng.choice([n for n in ODD_NUMBERS if isinstance(n, int) and -(2**63) <= n < 2**63])
        text = rng.choice(ODD_TEXT).encode(errors="ignore").decode()
        (own,) = connection.execute(f"SELECT {column} FROM {table} WHERE id = ?", (rng.choice(ids),)).fetchone()
        if isinstance(own, str) and rng.random() < 0.5:
            text = Damage(rng).text(own).encode(errors="ignore").decode()
        with suppress(sqlite3.IntegrityError):
            value = rng.choice((own, own, number, text, text, text.encode(), None))
            if rng.random() < 0.1:
                connection.execute(f"DELETE FROM {table} WHERE id = ?", (rng.choice(ids),))
            else:
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, rng.choice(ids)))


def test_the_cache_of_manifests_never_says_anything_of_its_own() -> None:
    with project() as root:
        cache = Cache.of(root.root.parent / "cache", SECRET)
        truth = declared(root, None)
        assert declared(root, cache) == truth
        (file,) = cache.folder.glob("*.db")
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sound = file.read_bytes()

        def example(rng: random.Random, done: Hunt) -> None:
            for old in cache.folder.iterdir():
                old.unlink()
            file.write_bytes(sound)
            if rng.random() < 0.6:
                forged(rng, file)
                done.note("forged")
            else:
                file.write_bytes(Damage(rng).octets(sound))
                done.note("damaged")
            done.input = file.read_bytes()
            assert declared(root, cache) == truth
            assert declared(root, cache) == truth, "once more"

        hunt("caches of manifests", 60, example, allowed=root.root.parent)


def test_the_cache_of_a_project_file_is_found_out() -> None:
    """Whoever may write there may say what the file says: not in the checkout. But damage is not believed."""
    with project() as root:
        folder, cache = root.root, root.root.parent / "cache"
        cache.mkdir(mode=0o700)
        (folder / "wfdeploy.yaml").write_bytes(dumped(PROJECT_BASE))

        def load() -> Project:
            return load_project(cwd=folder, environment="local", by_cache=cache)

        truth = load()
        kept = [file for file in cache.rglob("*") if file.is_file()]

        def example(rng: random.Random, done: Hunt) -> None:
            for file, data in sound.items():
                file.write_bytes(Damage(rng).octets(data))
            done.input = {file.name: file.read_bytes() for file in sound}
            assert load() == truth
            done.note("same")

        sound = {file: file.read_bytes() for file in kept}
        hunt("caches of project files", 150, example, allowed=folder.parent)
