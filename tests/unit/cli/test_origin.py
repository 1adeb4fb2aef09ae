"""Where a copy of wfdeploy came from, in the words of pip, pipx and uv."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from wfdeploy.cli.origin import Origin, installed, of, parse
from wfdeploy.errors import UsageError

COMMIT = "11bd71901bbe5b1630ceea73d27597364c9af683"
HERE = Origin("github.com", "acme/wfdeploy", COMMIT)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (f"https://github.com/acme/wfdeploy@{COMMIT}", HERE),
        (f"https://github.com/acme/wfdeploy.git@{COMMIT}", HERE),
        (f"git+https://github.com/acme/wfdeploy@{COMMIT}", HERE),
        (f"git+ssh://git@github.com/acme/wfdeploy.git@{COMMIT}", HERE),
        (f"https://me:secret@GitHub.com/acme/wfdeploy@{COMMIT}", HERE),
        (f"https://github.com/acme/wfdeploy/archive/{COMMIT}.tar.gz", HERE),
        (f"https://github.com/acme/wfdeploy/archive/{COMMIT}.zip", HERE),
        (
            "https://github.com/acme/wfdeploy/archive/refs/tags/v1.2.0.tar.gz",
            Origin("github.com", "acme/wfdeploy", "v1.2.0"),
        ),
        (
            "https://gitlab.acme.example:8443/a/b/wfdeploy/-/archive/main/wfdeploy-main.tar.gz",
            Origin("gitlab.acme.example:8443", "a/b/wfdeploy", "main"),
        ),
        ("https://gitlab.com/a/b/wfdeploy@team/x", Origin("gitlab.com", "a/b/wfdeploy", "team/x")),
    ],
)
def test_a_version_of_a_repository(text: str, origin: Origin) -> None:
    assert parse(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme/wfdeploy@v1",
        "https://github.com/acme/wfdeploy",
        "https://github.com/wfdeploy@v1",
        "https://github.com/acme/wfdeploy@",
        "https://github.com/acme/wfdeploy@a b",
        'https://github.com/acme/wfdeploy@v1"\n  - run: x',
        "https://github.com/acme/${{ x }}@v1",
        "https://github.com/acme/../x@v1",
        "https://github.com/acme/wfdeploy@../../x",
        "file:///home/me/wfdeploy@v1",
        "https://files.example.com/wfdeploy-0.1.0.tar.gz",
        "https://[::1/acme/wfdeploy@v1",
    ],
)
def test_nothing_else_becomes_part_of_a_pipeline(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def package(folder: Path, record: object = None, metadata: str = "") -> Distribution:
    info = folder / "wfdeploy-1.2.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(f"Name: wfdeploy\nVersion: 1.2.0\n{metadata}\n", encoding="utf-8")
    if record is not None:
        info.joinpath("direct_url.json").write_text(json.dumps(record), encoding="utf-8")
    return PathDistribution(info)


@pytest.mark.parametrize(
    ("record", "origin"),
    [
        (
            {
                "url": "https://github.com/acme/wfdeploy.git",
                "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": COMMIT},
            },
            HERE,
        ),
        (
            {"url": "ssh://git@github.com/acme/wfdeploy.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            HERE,
        ),
        (
            {
                "url": f"https://github.com/acme/wfdeploy/archive/{COMMIT}.tar.gz",
                "archive_info": {"hash": "sha256=00", "hashes": {"sha256": "00"}},
            },
            HERE,
        ),
        ({"url": "https://files.example.com/wfdeploy-1.2.0-py3-none-any.whl", "archive_info": {}}, None),
        ({"url": "file:///home/me/wfdeploy", "dir_info": {"editable": True}}, None),
        ({"url": 7, "vcs_info": {"commit_id": COMMIT}}, None),
        (["nonsense"], None),
    ],
)
def test_the_record_of_an_installation(tmp_path: Path, record: object, origin: Origin | None) -> None:
    assert of(package(tmp_path, record)) == origin


def test_a_release_names_its_repository_and_its_tag(tmp_path: Path) -> None:
    metadata = "Project-URL: Changelog, https://x.example\nProject-URL: Source, https://github.com/acme/wfdeploy"
    assert of(package(tmp_path, metadata=metadata)) == Origin("github.com", "acme/wfdeploy", "v1.2.0")


def test_a_release_without_a_repository(tmp_path: Path) -> None:
    assert of(package(tmp_path)) is None


def test_this_copy_came_from_files_of_this_machine() -> None:
    assert installed() is None


def test_an_action_has_an_owner_and_a_name() -> None:
    assert HERE.action == f"acme/wfdeploy@{COMMIT}"
    with pytest.raises(UsageError):
        _ = Origin("gitlab.com", "a/b/wfdeploy", "v1").action
