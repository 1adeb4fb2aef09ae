"""The project file: refused with a place inside of it, or the same project each time, by its cache too."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import Damage
from tests.fuzz.project import CANARY, dumped, project
from tests.fuzz.sound import check_error
from tests.support.declared import declared_runs
from tests.unit.manifests.test_manifest_properties import PROJECT_BASE
from wfdeploy.errors import WfdeployError
from wfdeploy.manifests.manifests import load_manifests
from wfdeploy.manifests.reading import Loading
from wfdeploy.project.document import presumed_project
from wfdeploy.project.file import load_project, locate_project_file

PIECES: list[Any] = [
    "a", "b", "local", "e", "QSTASH_TOKEN", "AWS_SECRET_ACCESS_KEY", "https://q.example.com", "../secret.txt",
    "valid/link", "valid", "..", ".", "/", "/dev/zero", "~", "90s", "-1s", {"from": "a", "to": "b"},
    {"from": "b", "to": "a"}, {"local": None}, ["a", "a"], {"url": "http://a"}, {"path": "../x.db"}, {"required": "no"},
]  # fmt: skip


def test_project_files_are_refused_or_mean_one_thing() -> None:
    with project() as root:
        folder = root.root
        file, cache = folder / "wfdeploy.yaml", folder.parent / "cache"
        cache.mkdir(mode=0o700)

        def load(*, by_cache: Path | None = None) -> Any:
            try:
                return load_project(cwd=folder, environment="local", by_cache=by_cache)
            except WfdeployError as error:
                check_error(error)
                said = str(getattr(error, "diagnostics", error))
                assert CANARY not in said
                return said

        def example(rng: random.Random, done: Hunt) -> None:
            damage = Damage(rng)
            data = damage.nested() if rng.random() < 0.02 else dumped(PROJECT_BASE)
            if rng.random() < 0.4:
                data = damage.octets(data, [dumped(PROJECT_BASE)])
            elif data[:1] == b"a":
                value = damage.value(PROJECT_BASE, PIECES)
                data = damage.encoded(value) if rng.random() < 0.5 else dumped(value)
            file.write_bytes(data)
            done.input = data
            first = load()
            assert first == load(by_cache=cache) == load(by_cache=cache) == load()
            presumed = presumed_project(locate_project_file(cwd=folder), cwd=folder)
            assert presumed.root == folder
            if isinstance(first, str):
                done.note("refused")
                return
            done.note("accepted")
            with contextlib.suppress(WfdeployError), load_manifests(first, how=Loading(cwd=folder)) as manifests:
                assert CANARY not in repr(list(declared_runs(manifests)))

        done = hunt("project files", 200, example, allowed=folder.parent)
        assert min(done.outcomes["accepted"], done.outcomes["refused"]) > 10 or done.examples < 200
