"""A written project: manifests, and what is kept beside them."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.layouts import APP_URL, Layout, Runs

PROJECT = f"""apiVersion: wfdeploy/v1
kind: Project
metadata:
  name: benchmark
  uid: benchmark0000
spec:
  manifests: [manifests]
  vars: {{app_url: "{APP_URL}"}}
  server:
    logLag: 0s # the sink keeps no logs that could lag: the wait before the first apply is not part of the work
"""


@dataclass(frozen=True, slots=True)
class Project:
    """In `folder`; the user's state directory lies in it too, beside the project."""

    folder: Path
    layout: Layout

    @property
    def root(self) -> Path:
        return self.folder / "project"

    @property
    def account(self) -> str:
        """The token of its own, by which the sink tells whose runs are whose."""
        return self.folder.name.replace(" ", "-")

    @property
    def naive_state(self) -> Path:
        return self.root / "naive-state.json"

    @property
    def environ(self) -> Mapping[str, str]:
        return {"XDG_STATE_HOME": str(self.folder / "user")}

    def write(self, runs: Runs, more: str = "") -> Project:
        """Write what isn't there as it should be, and delete what should not. `more`: of the project file."""
        files = [self._write(path, text) for path, text in self.layout.files(runs)]
        self._write("wfdeploy.yaml", (PROJECT, more))
        for path in set((self.root / "manifests").rglob("*.yaml")) - set(files):
            path.unlink()
        return self

    def _write(self, path: str, text: Iterable[str]) -> Path:
        file, draft = self.root / path, self.folder / "draft"
        file.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8") as written:
            written.writelines(text)
        if file.exists() and filecmp.cmp(draft, file, shallow=False):
            draft.unlink()
        else:
            draft.replace(file)
        return file

    def forget(self) -> None:
        """As if nothing had been applied yet."""
        for kept in self._kept:
            shutil.rmtree(kept, ignore_errors=True)
        self.naive_state.unlink(missing_ok=True)

    def save(self) -> None:
        """Keep what was applied, for `restore`."""
        for kept in self._kept:
            saved = kept.with_suffix(".saved")
            shutil.rmtree(saved, ignore_errors=True)
            if kept.exists():
                shutil.copytree(kept, saved, symlinks=True)

    def restore(self) -> None:
        for kept in self._kept:
            shutil.rmtree(kept, ignore_errors=True)
            if (saved := kept.with_suffix(".saved")).exists():
                shutil.copytree(saved, kept, symlinks=True)

    @property
    def _kept(self) -> tuple[Path, Path]:
        return self.root / ".wfdeploy", self.folder / "user"
