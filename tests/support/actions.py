"""A runner for GitHub's composite actions, as far as ours needs one: steps, conditions, outputs, a cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StepRun:
    """One `run` step that was carried out."""

    name: str
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class ActionRun:
    """What a use of the action led to."""

    ok: bool
    outputs: Mapping[str, str]
    steps: Mapping[str, StepRun]


@dataclass(slots=True)
class Cache:
    """GitHub's cache: a name is never written again, and of several the newest is restored."""

    folder: Path
    names: list[str] = field(default_factory=list)

    def save(self, name: str, path: Path) -> None:
        if path.exists() and name not in self.names:
            shutil.copytree(path, self.folder / str(len(self.names)))
            self.names.append(name)

    def restore(self, name: str, prefix: str, path: Path) -> None:
        for number, saved in reversed(list(enumerate(self.names))):
            if saved == name or saved.startswith(prefix):
                shutil.copytree(self.folder / str(number), path, dirs_exist_ok=True)
                return


@dataclass(slots=True)
class Runner:
    """A job on a checkout. `environ`: that of its processes. `contexts`: `github` and others, by dotted name."""

    workspace: Path
    temp: Path
    cache: Cache
    environ: Mapping[str, str]
    contexts: Mapping[str, str]
    python: str

    def use(self, action: Path, given: Mapping[str, str], env: Mapping[str, str] | None = None) -> ActionRun:
        """Carry out the composite action in a folder. `given`: its inputs. `env`: that of the step that uses it."""
        definition = yaml.safe_load((action / "action.yml").read_text(encoding="utf-8"))
        assert set(given) <= set(definition["inputs"]), "an input that the action doesn't have"
        values = dict(self.contexts)
        for name, declared in definition["inputs"].items():
            default = _filled(str(declared.get("default", "")), values)
            values[f"inputs.{name}"] = given.get(name, default)
        done: dict[str, StepRun] = {}
        ok = True
        for step in definition["runs"]["steps"]:
            condition = step.get("if", "success()")
            if not _holds(condition if "()" in condition else f"success() && ({condition})", values, ok=ok):
                continue
            if "uses" in step:
                outputs = self._other_action(step, values)
            else:
                ran, outputs = self._shell(step, values, {**self.environ, **(env or {})}, action)
                done[step.get("id") or step["name"]] = ran
                ok = ok and ran.code == 0
            values |= {f"steps.{step['id']}.outputs.{name}": value for name, value in outputs.items() if "id" in step}
        outputs = {name: _filled(declared["value"], values) for name, declared in definition["outputs"].items()}
        return ActionRun(ok, outputs, done)

    def _shell(
        self, step: Mapping[str, Any], values: Mapping[str, str], environ: Mapping[str, str], action: Path
    ) -> tuple[StepRun, Mapping[str, str]]:
        assert step["shell"] == "bash"
        assert not _EXPRESSION.search(step["run"]), "text of an expression would become part of a script"
        files = {name: self.temp / f"{name}.txt" for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        files["GITHUB_OUTPUT"].write_text("", encoding="utf-8")
        script = self.temp / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.workspace,
            env={
                **environ,
                **{name: _filled(str(text), values) for name, text in step.get("env", {}).items()},
                **{name: str(path) for name, path in files.items()},
                "GITHUB_ACTION_PATH": str(action),
                "GITHUB_RUN_ID": "17",
                "GITHUB_RUN_ATTEMPT": "1",
                "RUNNER_TEMP": str(self.temp),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        lines = files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines()
        outputs = dict(line.split("=", 1) for line in lines)
        return StepRun(str(step.get("id") or step["name"]), ran.returncode, ran.stdout, ran.stderr), outputs

    def _other_action(self, step: Mapping[str, Any], values: Mapping[str, str]) -> Mapping[str, str]:
        """Those of GitHub, by what they are documented to do."""
        name, _, commit = step["uses"].partition("@")
        assert re.fullmatch(r"[0-9a-f]{40}", commit), f"{step['uses']} isn't pinned"
        given = {key: _filled(str(value), values) for key, value in step["with"].items()}
        match name:
            case "actions/setup-python":
                return {"python-path": self.python}
            case "actions/cache/restore":
                self.cache.restore(given["key"], given["restore-keys"], self.workspace / given["path"])
            case "actions/cache/save":
                self.cache.save(given["key"], self.workspace / given["path"])
            case _:
                raise AssertionError(f"no such action: {name}")
        return {}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda match: str(values.get(match[1].strip(), "")), text)


def _holds(condition: str, values: Mapping[str, str], *, ok: bool) -> bool:
    """Evaluate a condition: names, texts, ==, !=, &&, ||, parentheses, always() and success()."""
    words = re.findall(r"always\(\)|success\(\)|'[^']*'|[\w.-]+|==|!=|&&|\|\||[()]", condition)
    assert "".join(words) == re.sub(r"\s+", "", condition), condition
    python: dict[str, Callable[[], object]] = {"always()": lambda: True, "success()": lambda: ok}
    operators = {"&&": "and", "||": "or", "==": "==", "!=": "!=", "(": "(", ")": ")"}
    text = " ".join(
        operators[word]
        if word in operators
        else repr(python[word]() if word in python else word[1:-1] if word[0] == "'" else values.get(word, ""))
        for word in words
    )
    return bool(eval(text, {"__builtins__": {}}))


def borrowed(folder: Path, packages: Path) -> Path:
    """A folder with links to all installed packages but ours: for `PYTHONPATH`, so that an installation of it finds
    what it depends on."""
    folder.mkdir()
    for path in packages.iterdir():
        if "wfdeploy" not in path.name and path.suffix != ".pth":
            (folder / path.name).symlink_to(path)
    return folder


def isolated(packages: Path) -> Mapping[str, str]:
    """The environment for `pip install` of a checkout without an index. `packages`: made by `borrowed`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return {
        **kept,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHONPATH": str(packages),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
