"""The recipe of an indexed Job, read from the page and run as it would be: a process for each pod, and one bucket."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.sharedlog.servers import Place
from tests.support.command import REPOSITORY, Checkout, once_each
from tests.support.local_server import LocalServer
from tests.support.workbench import group, run

RUNS = 20


def job() -> dict[str, Any]:
    page = (REPOSITORY / "docs" / "shared-state.md").read_text("utf-8")
    (text,) = (block.partition("```")[0] for block in page.split("```yaml\n")[1:] if "kind: Job" in block)
    value = yaml.safe_load(text)
    assert isinstance(value, dict)
    return value


def test_each_pod_of_an_indexed_job_applies_its_shard(tmp_path: Path, places: Callable[[str], Place]) -> None:
    spec = job()["spec"]
    assert spec["completionMode"] == "Indexed"
    pods = spec["completions"]
    command = spec["template"]["spec"]["containers"][0]["command"]
    place = places("s3")
    with LocalServer() as server:
        server.faults.instant_finish = True
        state = {"url": place.url_of(f"acme/{secrets.token_hex(8)}")}
        checkout = Checkout(
            tmp_path / "shop",
            server.url,
            server.token,
            environ=dict(place.environ),
            spec={"environments": {"production": {"url": server.url, "state": state}}},
        )
        checkout.write(group("g", [run(f"r{n}", body=n) for n in range(RUNS)]))
        for index in range(1, pods + 1):
            begun = checkout.here("state", "init", "-e", "production", "--shard", f"{index}/{pods}")
            assert begun.code == 0, begun.stderr
        environ = checkout._environ() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        running = [
            subprocess.Popen(
                command,
                cwd=checkout.root,
                env=environ | {"JOB_COMPLETION_INDEX": str(index), "HOME": str(tmp_path / f"pod-{index}")},
                stdout=subprocess.DEVNULL,
            )
            for index in range(pods)
        ]
        assert [pod.wait(60) for pod in running] == [0] * pods
        once_each(server.accepted_counts(), RUNS)
        assert f"{RUNS} unchanged" in checkout.here("plan", "-e", "production").stdout
        assert f"{RUNS} succeeded" in checkout.here("status", "-e", "production").stdout
