"""A project with any number of runs, the same bytes every time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUNS_PER_FILE = 10_000
PROJECT = """apiVersion: wfdeploy/v1
kind: Project
metadata:
  name: benchmark
  uid: benchmark0000
spec:
  manifests: [manifests]
  server:
    logLag: 0s # the sink keeps no logs that could lag: the wait before the first apply is not part of the work
"""

_GROUP = """apiVersion: wfdeploy/v1
kind: RunGroup
metadata:
  name: {name}
  annotations: {{owner: growth}}
spec:
  destination: https://app.example.com/api/workflow/onboard
  defaults:
    retries: 5
    retryDelay: "pow(2, retried) * 1000"
    labels: [onboarding]
    flowControl: {{key: onboard, parallelism: 10, rate: 100, period: 1m}}
    headers: {{X-Team: growth}}
  runs:
"""

_RUN = """    - name: tenant-{n:07}
      body:
        tenant: tenant-{n:07}
        seats: {seats}
        plan: {plan}
        features: [sso, audit]
"""

_PLANS = ("free", "team", "business", "enterprise")


_TEMPLATE = """    - name: tenant
      forEach: {file: ../rows.jsonl}
      key: ${{ row.tenant }}
      body:
        tenant: ${{ row.tenant }}
        seats: ${{ row.seats }}
        plan: ${{ row.plan }}
        features: [sso, audit]
"""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A written project: `root` holds `wfdeploy.yaml` and `manifests/`."""

    root: Path
    runs: int

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

    @property
    def state(self) -> Path:
        """Where wfdeploy keeps this project's state."""
        return self.root / ".wfdeploy"

    @property
    def naive_state(self) -> Path:
        return self.root / "naive-state.json"

    def forget(self) -> None:
        """As if nothing had been applied yet."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.naive_state.unlink(missing_ok=True)


def write(root: Path, runs: int, runs_per_file: int = RUNS_PER_FILE) -> Corpus:
    """Write the project; one group a file."""
    corpus = Corpus(root, runs)
    corpus.manifests.mkdir(parents=True)
    (root / "wfdeploy.yaml").write_text(PROJECT, encoding="utf-8")
    for number, start in enumerate(range(0, runs, runs_per_file)):
        with (corpus.manifests / f"wave-{number:03}.yaml").open("w", encoding="utf-8") as file:
            file.write(_GROUP.format(name=f"wave-{number:03}"))
            file.writelines(_runs(range(start, min(start + runs_per_file, runs))))
    return corpus


def write_rows(root: Path, runs: int) -> Corpus:
    """The same runs, made by one template of the rows of a JSON Lines file."""
    corpus = Corpus(root, runs)
    corpus.manifests.mkdir(parents=True)
    (root / "wfdeploy.yaml").write_text(PROJECT, encoding="utf-8")
    (corpus.manifests / "wave-000.yaml").write_text(_GROUP.format(name="wave-000") + _TEMPLATE, encoding="utf-8")
    with (root / "rows.jsonl").open("w", encoding="utf-8") as file:
        for n in range(runs):
            file.write(f'{{"tenant":"tenant-{n:07}","seats":{1 + n % 500},"plan":"{_PLANS[n % 4]}"}}\n')
    return corpus


def _runs(numbers: range) -> Iterator[str]:
    for n in numbers:
        text = _RUN.format(n=n, seats=1 + n % 500, plan=_PLANS[n % 4])
        yield text + "      retries: 3\n" if n % 10 == 0 else text
