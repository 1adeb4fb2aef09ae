"""The GitHub action, step by step as a runner would, and the GitLab component, against the embedded server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import ci_action
from scripts.docs_cli import commands
from tests.fakes.code_hosts import TOKEN, GitHubServer, GitLabServer
from tests.support.actions import ActionRun, Cache, Runner, borrowed, isolated
from wfdeploy.cli.main import main
from wfdeploy.cli.scaffold import scaffold
from wfdeploy.errors import ExitCode
from wfdeploy.testing import WorkflowServer

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("wfdeploy", "schemas", "scripts", "templates", "README.md", "LICENSE", "pyproject.toml", "action.yml")


@pytest.fixture(scope="module")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a checkout, as a runner downloads them: without git, and in a folder of its own."""
    folder = tmp_path_factory.mktemp("action") / "wfdeploy"
    folder.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def installing(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a job: no index, and what is needed stands in a folder."""
    packages = Path(sysconfig.get_path("purelib"))
    return isolated(borrowed(tmp_path_factory.mktemp("packages") / "borrowed", packages))


@pytest.fixture(scope="module")
def temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runner")


@pytest.fixture(scope="module")
def server() -> Iterator[WorkflowServer]:
    with WorkflowServer() as server:
        yield server


def project(folder: Path, server: WorkflowServer) -> Path:
    """A scaffolded project whose production is the embedded server."""
    scaffold(folder, name="shop", ci=None, origin=lambda: pytest.fail("not asked"))
    file = folder / "wfdeploy.yaml"
    text = file.read_text(encoding="utf-8").replace("tokenEnv: QSTASH_TOKEN", f"url: {server.url}\n      #")
    file.write_text(text.replace("https://app.example.com", server.url), encoding="utf-8")
    with file.open("a", encoding="utf-8") as more:
        more.write("  server:\n    logLag: 0\n")
    return folder


class Job:
    """Uses of the action in one job."""

    def __init__(self, runner: Runner, action: Path, token: str) -> None:
        self.runner = runner
        self._action = action
        self._token = token

    def use(self, **inputs: str) -> ActionRun:
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return self.runner.use(self._action, given, {"QSTASH_TOKEN": self._token})

    def restarted(self) -> None:
        """The next job: a new checkout on a new machine, with nothing but the cache."""
        shutil.rmtree(self.runner.workspace / ".wfdeploy", ignore_errors=True)


@pytest.fixture
def job(tmp_path: Path, temp: Path, action: Path, installing: Mapping[str, str], server: WorkflowServer) -> Job:
    cache = tmp_path / "cache"
    cache.mkdir()
    workspace = project(tmp_path / "shop", server)
    contexts = {"github.token": "none", "github.event_name": "push"}
    environ = {**installing, "XDG_STATE_HOME": str(tmp_path / "home")}
    runner = Runner(workspace, temp, Cache(cache), environ, contexts, sys.executable)
    return Job(runner, action, server.environment["QSTASH_TOKEN"])


def test_a_project_is_planned_applied_and_operated(job: Job) -> None:
    planned = job.use(command="plan", environment="production")
    assert planned.ok, planned.steps
    assert planned.outputs["exit-code"] == "2"
    assert planned.outputs["changed"] == "true"
    assert "+ hello/world" in planned.steps["run"].stdout
    assert json.loads(planned.outputs["counts"])["trigger"] == 2
    assert "hello/world" in Path(planned.outputs["report"]).read_text(encoding="utf-8")
    assert job.runner.cache.names == []  # a plan changes no state

    job.restarted()
    applied = job.use(command="apply", environment="production", args="--yes --create-state")
    assert applied.ok, applied.steps
    assert applied.outputs["exit-code"] == "0"
    assert "2 triggered" in applied.steps["run"].stdout

    job.restarted()
    again = job.use(command="plan", environment="production")
    assert (again.ok, again.outputs["changed"]) == (True, "false")
    assert "No changes: 2 unchanged." in again.steps["run"].stdout

    operated = job.use(command="cancel --yes --dry-run", environment="production", args="'hello/*'")
    assert operated.ok, operated.steps


def test_a_failing_command_fails_the_step_and_saves_the_state(job: Job) -> None:
    ran = job.use(command="apply", environment="production", args="--create-state --yes --max-triggers 1")
    assert not ran.ok
    assert (ran.outputs["exit-code"], ran.steps["run"].code) == ("8", 8)
    assert len(job.runner.cache.names) == 1
    assert "--max-triggers" in Path(ran.outputs["report"]).read_text(encoding="utf-8")


def test_a_plan_is_posted_on_its_pull_request_also_when_it_fails(job: Job) -> None:
    with GitHubServer() as github:
        job.runner.contexts = {"github.token": TOKEN, "github.event_name": "pull_request"}
        job.runner.environ = {**job.runner.environ, **github.environ(), "GITHUB_TOKEN": ""}
        planned = job.use(command="plan", environment="production", comment="true")
        assert planned.ok, planned.steps
        assert "hello/world" in github.notes[0].body
        (job.runner.workspace / "manifests" / "hello.yaml").write_text("{", encoding="utf-8")
        failed = job.use(command="plan", environment="production", comment="true")
        assert (failed.ok, failed.outputs["exit-code"], failed.outputs["counts"]) == (False, "4", "")
        assert len(github.notes) == 1
        assert "hello.yaml" in github.notes[0].body


def test_a_saved_plan_is_applied_in_the_same_job(job: Job) -> None:
    created = job.use(command="apply", environment="production", args="--create-state --yes --limit 1")
    assert created.ok, created.steps
    saved = job.use(command="plan", environment="production", save_plan="true")
    assert saved.ok, saved.steps
    applied = job.use(command="apply", environment="production", args=saved.outputs["plan-file"])
    assert "1 triggered" in applied.steps["run"].stdout
    assert len(set(job.runner.cache.names)) == 2


def test_it_is_only_installed_without_a_command(job: Job) -> None:
    ran = job.use()
    assert ran.ok
    assert set(ran.steps) == {"install"}
    (folder,) = (job.runner.temp / "GITHUB_PATH.txt").read_text(encoding="utf-8").splitlines()[-1:]
    version = subprocess.run(
        [f"{folder}/wfdeploy", "version"], env=dict(job.runner.environ), capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("wfdeploy ")


@pytest.mark.parametrize("name", ["command", "environment", "args"])
def test_no_input_is_run_by_a_shell(job: Job, name: str) -> None:
    text = "x; touch ran && touch ran $(touch ran) `touch ran` '$(touch ran)' | touch ran\ntouch ran"
    ran = job.use(**{"command": "status", "environment": "production", name: text})
    assert not ran.ok
    assert not (job.runner.workspace / "ran").exists()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"args": "'open"}, "the input args can't be read: No closing quotation"),
        ({"command": "--version"}, "the input command is not a command of wfdeploy"),
        ({"state": "s3"}, "the input state is either cache or shared"),
        ({"comment": "yes"}, "the input comment is either true or false"),
        ({"save_plan": "yes"}, "the input save-plan is either true or false"),
    ],
)
def test_an_input_that_cannot_be_meant_is_an_error(job: Job, inputs: Mapping[str, str], message: str) -> None:
    ran = job.use(**{"command": "plan", **inputs})
    assert not ran.ok
    assert ran.steps["prepare"].code == 64
    assert f"error: {message}" in ran.steps["prepare"].stderr
    assert "run" not in ran.steps


def inputs(**given: str) -> Mapping[str, str]:
    return {"INPUT_WORKING_DIRECTORY": ".", "INPUT_STATE": "cache", "INPUT_ENVIRONMENT": "", **given}


def test_the_caches_of_two_states_never_stand_for_one_another() -> None:
    keys = [
        ci_action.state_key(inputs(INPUT_ENVIRONMENT=name), "apply", words)
        for name in ("prod", "prod-eu")
        for words in ([], ["--shard", "1/4"], ["--shard=2/4"])
    ]
    keys += [ci_action.state_key(inputs(INPUT_WORKING_DIRECTORY=name), "apply", []) for name in ("a", "a/b")]
    texts = [key for key in keys if key is not None]
    assert len(texts) == len(keys)
    assert not any(one.startswith(other) for one in texts for other in texts if one is not other)


def test_every_command_reads_or_saves_a_state_or_needs_none() -> None:
    page = (ROOT / "docs" / "state.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*`) \|.*\| reads \|.*$", page, re.MULTILINE)
    reading = {command for row in rows for command in re.findall(r"`([^`]+)`", row)}
    every = {" ".join(path[1:]) for path, _ in commands(main, None)}
    assert reading == ci_action.READERS
    assert every >= ci_action.STATELESS
    assert not ci_action.READERS & ci_action.STATELESS


def test_a_cancelled_job_stops_the_command(tmp_path: Path) -> None:
    """The runner signals the step's own process, and nothing below it."""
    program = tmp_path / "wfdeploy"
    program.write_text(
        "#!/bin/sh\ntrap 'exit 130' INT\necho ready\nfor _ in $(seq 1000); do sleep 0.05; done\n", encoding="utf-8"
    )
    program.chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    ci_action.Prepared(["wait"], str(tmp_path), "wait", None, None, None).save(tmp_path)
    command: list[str | Path] = [tmp_path / "python", "-I", ROOT / "scripts" / "ci_action.py", "run", tmp_path]
    environ = {**os.environ, "GITHUB_OUTPUT": str(tmp_path / "output")}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as step:
        assert step.stdout is not None
        assert step.stdout.readline() == "ready\n"
        step.send_signal(signal.SIGINT)
        try:
            assert step.wait(timeout=60) == 130
        finally:
            step.kill()  # else a failure would wait for ever
    assert (tmp_path / "output").read_text(encoding="utf-8") == "exit-code=130\n"


# --- GitLab ---


def component(**given: str) -> Mapping[str, Any]:
    """The component's pipeline, with inputs in place."""
    header, body = (ROOT / "templates" / "pipeline.yml").read_text(encoding="utf-8").split("\n---\n")
    declared = yaml.safe_load(header)["spec"]["inputs"]
    assert set(given) <= set(declared)
    values = {name: given[name] if name in given else about["default"] for name, about in declared.items()}
    pipeline: Mapping[str, Any] = _filled(yaml.safe_load(body), values)
    return pipeline


def _filled(value: Any, inputs: Mapping[str, str]) -> Any:
    """GitLab parses the YAML first, then fills in texts and keys."""
    if isinstance(value, dict):
        return {_filled(key, inputs): _filled(each, inputs) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, inputs) for each in value]
    if isinstance(value, str):
        return re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: inputs[match[1]], value)
    return value


def merged(pipeline: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A job with what it extends."""
    job: dict[str, Any] = {}
    for parent in pipeline[name].get("extends", ()):
        job = _under(job, merged(pipeline, parent))
    return _under(job, pipeline[name])


def _under(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    variables = {**old.get("variables", {}), **new.get("variables", {})}
    return {**old, **new, "variables": variables}


def gitlab(job: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    lines: Sequence[str] = [*job.get("before_script", ()), *job["script"]]
    return subprocess.run(
        ["sh", "-e"],
        input="\n".join(lines) + "\n",
        cwd=folder,
        env={**job["variables"], "CI_PROJECT_DIR": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_gitlab_component_plans_applies_and_operates(
    action: Path, installing: Mapping[str, str], server: WorkflowServer, tmp_path: Path
) -> None:
    folder = project(tmp_path / "shop", server)
    pipeline = component(environment="production", package=str(action))
    plan, apply, operate = (merged(pipeline, f"wfdeploy:{name}:production") for name in ("plan", "apply", "operate"))
    token = server.environment["QSTASH_TOKEN"]
    home = tmp_path / "home"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**installing, "PATH": path, "TMPDIR": str(tmp_path), "XDG_STATE_HOME": str(home)}

    applied = gitlab(apply, folder, {**environ, "QSTASH_TOKEN": token, "CREATE_STATE": "1"})
    assert applied.returncode == 0, applied.stderr
    assert "2 triggered" in applied.stdout

    # What was installed for the first job serves the others.
    (installed,) = tmp_path.glob("tmp.*/bin")
    environ["PATH"] = f"{installed}{os.pathsep}{path}"
    planned = gitlab({**plan, "before_script": []}, folder, {**environ, "QSTASH_READONLY_TOKEN": token})
    assert planned.returncode == 0, planned.stderr
    assert "No changes: 2 unchanged." in planned.stdout
    assert "2 unchanged" in (folder / "wfdeploy-plan.md").read_text(encoding="utf-8")

    with GitLabServer() as host:
        commenting = {
            **environ,
            **host.environ(),
            "QSTASH_READONLY_TOKEN": "wrong",
            "WFDEPLOY_OPTIONS": "--refresh all",
        }
        failed = gitlab({**plan, "before_script": []}, folder, commenting)
        assert failed.returncode == ExitCode.REMOTE, failed.stderr
        assert "401" in host.notes[0].body

    given = {"WFDEPLOY_OPERATE": "state show", "WFDEPLOY_ARGUMENTS": "hello/world; touch$IFS-ran $(touch ran)"}
    operated = gitlab({**operate, "before_script": []}, folder, {**environ, "QSTASH_TOKEN": token, **given})
    assert operated.returncode != 0
    assert sorted(each.name for each in folder.iterdir() if "ran" in each.name) == []
    given["WFDEPLOY_ARGUMENTS"] = "hello/world"
    operated = gitlab({**operate, "before_script": []}, folder, {**environ, "QSTASH_TOKEN": token, **given})
    assert operated.returncode == 0, operated.stderr


def test_the_jobs_of_one_environment_never_overlap_and_the_state_is_saved_whatever_happens() -> None:
    pipeline = component(environment="production", package="wfdeploy")
    apply, operate, plan = (merged(pipeline, f"wfdeploy:{name}:production") for name in ("apply", "operate", "plan"))
    assert apply["resource_group"] == operate["resource_group"]
    assert (apply["interruptible"], operate["interruptible"]) == (False, False)
    assert all((job["cache"]["policy"], job["cache"]["when"]) == ("pull-push", "always") for job in (apply, operate))
    assert plan["cache"] == {**apply["cache"], "policy": "pull"}
    shared = component(environment="production", package="wfdeploy", state="shared")
    assert merged(shared, "wfdeploy:apply:production")["cache"] == []
