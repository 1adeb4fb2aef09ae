"""A new project works, and an old one is left alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.golden_files import command_line
from wfdeploy.cli import origin
from wfdeploy.cli.commands.setup import CI
from wfdeploy.cli.scaffold import CI_FILES, new_uid, project_name
from wfdeploy.manifests.manifests import validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.project.file import load_project
from wfdeploy.project.permissions import Permissions

COMMIT = "11bd71901bbe5b1630ceea73d27597364c9af683"
FROM = ("--from", f"https://github.com/acme/wfdeploy@{COMMIT}")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def workflow(path: str) -> dict[Any, Any]:
    data: dict[Any, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return data


def test_the_scaffold_is_valid_in_every_environment(elsewhere: Path) -> None:
    assert command_line("init", "shop").code == 0
    root = elsewhere / "shop"
    for environment in ("staging", "production"):
        project = load_project(cwd=root, environment=environment)
        assert validate(project, how=Loading(cwd=root)) == ()
    assert project.name == "shop"
    assert project.state_required
    assert re.fullmatch(r"[a-z0-9]{16}", project.uid or "")


def test_validate_finds_no_problem_in_it(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command_line("init")
    ran = command_line("validate")
    assert (ran.code, ran.stdout) == (0, "")
    assert ran.stderr.startswith("No problems found in 1 file: 1 group, 2 runs. Took ")


def test_nothing_is_ever_overwritten(elsewhere: Path) -> None:
    mine = {
        "wfdeploy.yaml": "mine",
        "manifests/own.yaml": "mine",
        ".gitignore": "*.pyc\n",
        ".gitattributes": "payloads/** -text\n**/payloads/** -text\n*.csv -text\n",
        ".gitlab-ci.yml": "mine",
    }
    for name, text in mine.items():
        (elsewhere / name).parent.mkdir(exist_ok=True)
        (elsewhere / name).write_text(text, encoding="utf-8")
    ran = command_line("init", "--ci", "gitlab")  # needs no --from: no pipeline is written
    assert ran.code == 0
    assert {name: (elsewhere / name).read_text(encoding="utf-8") for name in mine} == mine
    assert ran.stdout.splitlines() == [
        "kept  wfdeploy.yaml",
        "kept  .gitignore",
        "kept  .gitattributes",
        "kept  .gitlab-ci.yml",
        "wrote schemas/manifest.schema.json",
        "wrote schemas/project.schema.json",
    ]
    assert "add to it: .wfdeploy/  .env" in ran.stderr
    assert "*.tsv -text" in ran.stderr
    assert "*.csv -text" not in ran.stderr
    assert "no such pipeline was written" in ran.stderr
    assert not (elsewhere / "manifests/hello.yaml").exists()


def test_init_again_adds_what_is_missing(elsewhere: Path) -> None:
    command_line("init")
    uid = (elsewhere / "wfdeploy.yaml").read_text(encoding="utf-8")
    (elsewhere / ".gitattributes").unlink()
    ran = command_line("init", "--ci", "github", *FROM, "--output", "json")
    assert {file["file"] for file in json.loads(ran.stdout)["files"] if file["created"]} == {
        ".gitattributes",
        ".github/workflows/wfdeploy.yml",
        ".github/workflows/wfdeploy-operate.yml",
    }
    assert (elsewhere / "wfdeploy.yaml").read_text(encoding="utf-8") == uid


def test_github_never_cancels_an_apply_and_runs_one_command_at_a_time() -> None:
    command_line("init", "--ci", "github", *FROM)
    jobs = workflow(".github/workflows/wfdeploy.yml")["jobs"]
    operate = workflow(".github/workflows/wfdeploy-operate.yml")["jobs"]["operate"]
    assert jobs["apply"]["concurrency"] == operate["concurrency"]
    assert jobs["apply"]["concurrency"]["cancel-in-progress"] is False
    assert jobs["plan"]["if"] == "github.event_name == 'pull_request'"
    for job in (jobs["plan"], jobs["apply"], operate):
        uses = [step["uses"] for step in job["steps"]]
        assert set(uses[1:]) == {f"acme/wfdeploy@{COMMIT}"}
    apply = jobs["apply"]["steps"][-1]["with"]
    assert (apply["command"], apply["environment"], apply["args"][:5]) == ("apply", "production", "--yes")
    assert "state" not in apply  # the action restores and saves it


def test_github_operates_by_hand_with_what_somebody_chooses() -> None:
    command_line("init", "--ci", "github", *FROM)
    operate = workflow(".github/workflows/wfdeploy-operate.yml")
    chosen = operate[True]["workflow_dispatch"]["inputs"]  # YAML 1.1 reads the key `on` as true
    assert chosen["arguments"]["required"] is True
    for option in chosen["command"]["options"]:
        words = [word for word in option.split() if word != "--yes"]
        asks = "--yes" in option
        assert (" -y, --yes " in command_line("help", *words).stdout) is asks, option
    step = operate["jobs"]["operate"]["steps"][-1]["with"]
    assert (step["command"], step["args"]) == ("${{ inputs.command }}", "${{ inputs.arguments }}")


def test_gitlab_includes_the_component_and_offers_the_same_commands() -> None:
    command_line("init", "--ci", "gitlab", *FROM)
    command_line("init", "--ci", "github", *FROM)
    pipeline = workflow(".gitlab-ci.yml")
    (include,) = pipeline["include"]
    assert include["remote"] == f"https://raw.githubusercontent.com/acme/wfdeploy/{COMMIT}/templates/pipeline.yml"
    assert include["inputs"]["package"] == f"wfdeploy @ https://github.com/acme/wfdeploy/archive/{COMMIT}.tar.gz"
    operate = workflow(".github/workflows/wfdeploy-operate.yml")[True]["workflow_dispatch"]["inputs"]
    assert pipeline["variables"]["WFDEPLOY_OPERATE"]["options"] == ["nothing", *operate["command"]["options"]]


def test_gitlab_includes_a_component_of_its_own_instance() -> None:
    command_line("init", "--ci", "gitlab", "--from", "https://gitlab.acme.example/tools/go/wfdeploy.git@v1.2.0")
    (include,) = workflow(".gitlab-ci.yml")["include"]
    assert include["component"] == "gitlab.acme.example/tools/go/wfdeploy/pipeline@v1.2.0"
    assert include["inputs"]["package"] == (
        "wfdeploy @ https://gitlab.acme.example/tools/go/wfdeploy/-/archive/v1.2.0/wfdeploy-v1.2.0.tar.gz"
    )


def test_a_pipeline_is_of_where_this_copy_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "installed", lambda: origin.Origin("gitlab.com", "acme/wfdeploy", COMMIT))
    assert command_line("init", "a", "--ci", "gitlab").code == 0
    assert f"gitlab.com/acme/wfdeploy/pipeline@{COMMIT}" in Path("a/.gitlab-ci.yml").read_text(encoding="utf-8")
    # `uses: acme/wfdeploy` would be a repository on GitHub, which may be anybody's.
    ran = command_line("init", "b", "--ci", "github")
    assert ran.code == 64
    assert "hint: name the repository and a commit: --from https://github.com/OWNER/wfdeploy@COMMIT" in ran.stderr
    assert not Path("b/.github").exists()
    assert command_line("init", "b", *FROM).code == 64  # without --ci


def test_no_placeholder_is_left(elsewhere: Path) -> None:
    for ci in CI:
        command_line("init", "--ci", ci, *FROM)
    for path in elsewhere.rglob("*"):
        if path.is_file():
            assert "@@" not in path.read_text(encoding="utf-8"), path


def allowed(ci: str) -> list[Permissions]:
    """What each written pipeline permits."""
    command_line("init", "--ci", ci, *FROM)
    if ci == "gitlab":
        texts = [include["inputs"]["allow"] for include in workflow(".gitlab-ci.yml")["include"]]
    else:
        texts = [workflow(str(path))["env"]["WFDEPLOY_ALLOW"] for path in Path(".github/workflows").iterdir()]
        assert len(texts) == 2
    return [Permissions.read(text.split()) for text in texts]


@pytest.mark.parametrize("ci", CI)
def test_a_pipeline_on_a_shared_state_needs_no_cache(elsewhere: Path, ci: str) -> None:
    url = "s3://acme-ops/wfdeploy/shop?endpoint=https://minio.example.com"
    ran = command_line("init", "--ci", ci, "--state", url, *FROM)
    assert ran.code == 0, ran.stderr
    assert "wfdeploy state init -e production" in ran.stderr
    for path in CI_FILES[ci]:
        text = (elsewhere / path).read_text(encoding="utf-8")
        assert "state: shared" in text
        assert ("extras: s3" if ci == "github" else "wfdeploy[s3] @ https://") in text
        assert "create" not in text.lower().replace("gh label create", "").replace("gh issue create", "")
    for permissions in allowed(ci):
        assert permissions.state(["s3://acme-ops", "https://minio.example.com"])
        assert not permissions.state(["s3://evil"])
    project = yaml.safe_load((elsewhere / "wfdeploy.yaml").read_text(encoding="utf-8"))
    assert project["spec"]["environments"]["production"]["state"] == {"url": url}
    assert command_line("validate").code == 0


@pytest.mark.parametrize("url", ["postgresql://me:secret@db/ops", "ftp://x/y", "state.db"])
def test_no_password_is_scaffolded_and_nothing_but_a_shared_state(elsewhere: Path, url: str) -> None:
    ran = command_line("init", "--state", url)
    assert ran.code == 64
    assert "secret" not in ran.stderr
    assert not (elsewhere / "wfdeploy.yaml").exists()


def test_names() -> None:
    assert project_name(Path("/x/My Shop_2")) == "my-shop-2"
    assert project_name(Path("/x/中文")) == "my-project"
    assert len(project_name(Path("/x/" + "a-" * 80))) <= 63
    assert new_uid() != new_uid()
    assert set(CI_FILES) == set(CI)
    assert command_line("init", "--name", "No Good").code == 64


def test_a_folder_that_cannot_be_written(elsewhere: Path) -> None:
    (elsewhere / "file").write_text("", encoding="utf-8")
    assert command_line("init", "file/below").code == 64


@pytest.mark.parametrize("ci", CI)
def test_a_scaffolded_pipeline_pins_servers_and_secrets(ci: str) -> None:
    for permissions in allowed(ci):
        assert permissions.url("https://qstash.upstash.io")
        assert not permissions.url("https://evil.example")
        assert not permissions.secret("AWS_SECRET_ACCESS_KEY")


def test_a_plan_gets_a_token_that_only_reads() -> None:
    command_line("init", "--ci", "github", *FROM)
    plan = workflow(".github/workflows/wfdeploy.yml")["jobs"]["plan"]
    (token,) = [step["env"]["QSTASH_TOKEN"] for step in plan["steps"] if "env" in step]
    assert token == "${{ secrets.QSTASH_READONLY_TOKEN }}"


def test_git_keeps_the_bytes_of_data_and_body_files(elsewhere: Path) -> None:
    def git(*arguments: str) -> None:
        environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        settings = ("core.autocrlf=true", "core.safecrlf=false", "user.name=t", "user.email=t@example.com")
        options = [word for setting in settings for word in ("-c", setting)]
        subprocess.run(["git", *options, *arguments], check=True, capture_output=True, env=environ)

    command_line("init", "there")
    root = elsewhere / "there"
    rows = b'id,note\na,"two\nlines"\nb,"three\r\nlines"\n'
    files = {
        "data/rows.csv": rows,
        "data/rows.json": b'[\n{"id": 1}\n]\r\n',
        "data/rows.yaml": b"- 1\n- 2\r\n",
        "manifests/rows.tsv": b"id\ta\n1\t2\n",
        "manifests/letter.md": b"# Hello\n\nworld\n",
        "payloads/body.yaml": b"a: 1\r\nb: 2\n",
        "payloads/hello.txt": b"hello\nworld\n",
        "elsewhere/rows.jsonl": b"{}\n{}\n",
        "elsewhere/rows.parquet": b"PAR1\n\r\nPAR1",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    spec = "destination: https://example.com, runs: [{name: a, key: '${{ row.id }}', body: '${{ row.note }}'"
    manifest = f"apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {{name: g}}\nspec: {{{spec}"
    (root / "manifests/g.yaml").write_text(f"{manifest}, forEach: {{file: ../data/rows.csv}}}}]}}\n", encoding="utf-8")
    git("init", "-q", "there")
    git("-C", "there", "add", ".")
    git("-C", "there", "commit", "-qm", "all")
    git("clone", "-q", "there", "here")
    assert {name: (elsewhere / "here" / name).read_bytes() for name in files} == files
    shown = [
        command_line("render", "--project-file", f"{root}/wfdeploy.yaml", "-e", "staging").stdout
        for root in ("there", "here")
    ]
    assert "three\\r\\nlines" in shown[0]
    assert shown[0].replace("there/", "here/") == shown[1]
