"""What is published: built as for a release, installed outside the checkout, and run there."""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wfdeploy import __version__

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def done(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that must go well, without anything of this checkout in its environment."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "QSTASH", "COV"))}
    ran = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without git, as an archive of a commit is. A build leaves traces; so it is a copy."""
    if not (ROOT / ".git").exists():
        pytest.skip("nothing says which files belong to this checkout")
    listed = done("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout
    folder = tmp_path_factory.mktemp("source")
    for name in listed.rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def dist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, and the wheel built from it, as `python -m build` does it; without a network."""
    folder = tmp_path_factory.mktemp("dist")
    done(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source, cwd=source)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs the installed `wfdeploy` in an empty folder (`cwd`: in another).

    The environment is new; its dependencies are those of this one, by way of a `.pth` file. What such a file names is
    put on the path as it is, so an editable installation of this checkout is not followed.
    """
    home = tmp_path_factory.mktemp("installed")
    environment = home / "venv"
    done(sys.executable, "-m", "venv", "--without-pip", environment, cwd=home)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    done(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=home)
    (packages,) = (environment / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    where = done(python, "-c", "import wfdeploy; print(wfdeploy.__file__)", cwd=home).stdout
    assert Path(where.strip()).is_relative_to(environment)

    def run(*arguments: str, cwd: Path = home) -> subprocess.CompletedProcess[str]:
        return done(environment / "bin" / "wfdeploy", *arguments, cwd=cwd)

    return run


def test_the_source_distribution_is_all_of_a_checkout(source: Path, dist: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    assert archive.name == f"wfdeploy-{__version__}.tar.gz"
    with tarfile.open(archive) as tar:
        packed = {member.name.partition("/")[2] for member in tar.getmembers() if member.isfile()}
    checkout = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert checkout - packed == set()
    assert packed - checkout == {"PKG-INFO"}


def test_an_image_is_built_from_files_that_are_there() -> None:
    """Nothing here can build one; at least what it copies is what the wheel is made of."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!/") for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    assert {"wfdeploy", "schemas", "pyproject.toml", "README.md", "LICENSE"} == kept
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG PYTHON=\S+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.MULTILINE)


def test_the_wheel_holds_what_the_program_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    schemas = {f"wfdeploy/schemas/{path.name}" for path in (ROOT / "schemas").iterdir()}
    templates = {f"wfdeploy/cli/templates/{path.name}" for path in (ROOT / "wfdeploy/cli/templates").iterdir()}
    page = ROOT / "wfdeploy/localserver/page/assets"
    assets = {path.relative_to(ROOT).as_posix() for path in page.rglob("*") if path.is_file()}
    assert len(schemas) == 2
    assert templates
    assert {f"wfdeploy/localserver/page/assets/vendor/LICENSE.{name}" for name in ("preact", "htm")} <= assets
    assert schemas | templates | assets | {"wfdeploy/py.typed"} <= names


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"wfdeploy", f"wfdeploy-{__version__}.dist-info"}


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"wfdeploy-{__version__}.dist-info/METADATA").decode()
    assert "Requires-Python: >=3.11" in metadata
    assert "Provides-Extra: local" in metadata
    assert "License-Expression: Apache-2.0" in metadata


def test_the_wheel_brings_the_pytest_plugin(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        points = archive.read(f"wfdeploy-{__version__}.dist-info/entry_points.txt").decode()
        assert "[pytest11]\nwfdeploy = wfdeploy.testing.plugin" in points
        assert "wfdeploy/testing/plugin.py" in archive.namelist()


def test_the_licences_of_what_is_vendored_are_named(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = [name.partition(".dist-info/licenses/")[2] for name in archive.namelist()]
    assert {"LICENSE", "wfdeploy/localserver/page/assets/vendor/LICENSE.preact"} <= set(files)


def test_it_tells_its_version(installed: Run) -> None:
    assert installed("version").stdout.startswith(f"wfdeploy {__version__} (state format ")


@pytest.mark.parametrize("name", ["manifest", "project"])
def test_it_prints_the_schemas(installed: Run, name: str) -> None:
    printed = installed("schema", name).stdout
    assert printed.strip() == (ROOT / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8").strip()


def test_it_validates_the_examples(installed: Run, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    shutil.copy2(ROOT / "wfdeploy.yaml", tmp_path)
    installed("validate", cwd=tmp_path)


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_it_scaffolds_a_project_that_validates(installed: Run, tmp_path: Path, ci: str) -> None:
    installed("init", "shop", "--ci", ci, "--from", "https://github.com/acme/wfdeploy@v1", cwd=tmp_path)
    installed("validate", cwd=tmp_path / "shop")
    installed("plan", "-e", "production", cwd=tmp_path / "shop")
