"""Every pipeline that we write or publish: valid by its host's schema, and closed to what strangers write."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from wfdeploy.cli.origin import Origin
from wfdeploy.cli.scaffold import CI_FILES, scaffold

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "11bd71901bbe5b1630ceea73d27597364c9af683"
STATES = (None, "s3://acme-ops/wfdeploy/shop")
OURS = tuple(sorted((ROOT / ".github" / "workflows").glob("*.yml")))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """What `init --ci` writes, for each host and kind of state."""
    origin = Origin("github.com", "acme/wfdeploy", COMMIT)
    files = []
    for ci, names in CI_FILES.items():
        for state in STATES:
            folder = tmp_path_factory.mktemp(ci)
            scaffold(folder, name="shop", ci=ci, state_url=state, origin=lambda: origin)
            files += [folder / name for name in names]
    return files


def check(schema: str, files: Sequence[Path]) -> None:
    """Hold files against a schema that came with check-jsonschema; nothing is downloaded."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_github_workflows_are_valid(written: Sequence[Path]) -> None:
    check("github-workflows", [*(path for path in written if ".github" in path.parts), *OURS])


def test_the_action_is_valid() -> None:
    check("github-actions", [ROOT / "action.yml"])


def test_gitlab_pipelines_are_valid(written: Sequence[Path], tmp_path: Path) -> None:
    """The component has two documents: its inputs, and a pipeline, which is checked with texts in place of inputs."""
    header, body = (ROOT / "templates" / "pipeline.yml").read_text(encoding="utf-8").split("\n---\n")
    files = [tmp_path / "header.yml", tmp_path / "body.yml"]
    files[0].write_text(header, encoding="utf-8")
    files[1].write_text(re.sub(r"\$\[\[ inputs\.[\w-]+ \]\]", "cache", body), encoding="utf-8")
    check("gitlab-ci", [*files, *(path for path in written if path.name == ".gitlab-ci.yml")])
    pipelines = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in written if path.suffix == ".yml"]
    given = {name for pipeline in pipelines for each in pipeline.get("include", ()) for name in each["inputs"]}
    declared = yaml.safe_load(header)["spec"]["inputs"]
    assert given <= set(declared)
    assert {name for name, about in declared.items() if "default" not in about} <= given
    assert set(re.findall(r"inputs\.([\w-]+)", body)) == set(declared)


def workflows(written: Sequence[Path]) -> Iterator[tuple[Path, dict[Any, Any]]]:
    for path in [*written, *OURS]:
        if ".github" in path.parts:
            yield path, yaml.safe_load(path.read_text(encoding="utf-8"))


def test_no_job_has_more_rights_than_it_names(written: Sequence[Path]) -> None:
    for path, workflow in workflows(written):
        assert "pull_request_target" not in workflow[True], path
        assert workflow["permissions"] in ({}, {"contents": "read"}), path
        for name, job in workflow["jobs"].items():
            assert "timeout-minutes" in job, f"{path}: {name}"


def test_every_action_is_pinned_and_no_checkout_keeps_its_token(written: Sequence[Path]) -> None:
    for path, workflow in workflows(written):
        for step in (step for job in workflow["jobs"].values() for step in job["steps"]):
            if "uses" not in step:
                continue
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), f"{path}: {step['uses']}"
            if step["uses"].startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, path


def test_no_text_of_others_becomes_part_of_a_script(written: Sequence[Path]) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = list(action["runs"]["steps"])
    for _, workflow in workflows(written):
        steps += [step for job in workflow["jobs"].values() for step in job["steps"]]
    scripts = [step["run"] for step in steps if "run" in step]
    assert len(scripts) > len(action["runs"]["steps"]) - 4
    assert not any("${{" in script for script in scripts)
    component = (ROOT / "templates" / "pipeline.yml").read_text(encoding="utf-8").split("\n---\n")[1]
    for job in yaml.safe_load(component).values():
        assert not any("$[[" in line for name in ("script", "before_script") for line in job.get(name, ()))
