"""The start of a Python program: from a folder and options to a project."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from wfdeploy.api.project import Project
from wfdeploy.errors import UsageError
from wfdeploy.model.options import TargetOptions


def load(
    path: str | os.PathLike[str] = ".",
    *,
    environment: str | None = None,
    local: bool = False,
    url: str | None = None,
    token: str | None = None,
    state: str | os.PathLike[str] | None = None,
    env_file: str | os.PathLike[str] | None = None,
    shard: str | None = None,
    allow: Iterable[str] = (),
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Project:
    """Load the project of a folder.

    No manifest is read yet: each operation reads the files when it begins, as a command does.

    path: the folder to work in, as a shell's working directory, or a project file. `wfdeploy.yaml` is searched for in
        the folder and above it. Other paths are relative to this folder.
    environment: the environment of the project file to work on (`-e`).
    local: work on a server that is embedded in this process, for as long as an operation takes (`--local`).
    url: the server to talk to (`--url`).
    token: the token itself. Without it, the environment variable is read that the project file names.
    state: the file of the state, or the URL of a shared one (`--state`).
    env_file: variables that count where `environ` has none of that name (`--env-file`).
    shard: `I/N`, only the I-th of N parts of all runs (`--shard`).
    allow: what the project may ask for, as `KIND=PATTERN` (`--allow`).
    variables: values of `${{ vars.NAME }}`, which beat the project file's (`--var`).
    environ: what to read instead of the environment variables of this process.

    Raises: `UsageError` when there is no such folder or file, or an option makes no sense.
    """
    from wfdeploy.model.project import parse_shard

    given = Path(path).absolute()
    if not given.exists():
        raise UsageError(f"there is no folder and no project file {path}", hint="check the path, or run wfdeploy init")
    is_file = not given.is_dir()
    try:
        part = None if shard is None else parse_shard(shard)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return Project(
        folder=given.parent if is_file else given,
        environment=environment,
        _options=TargetOptions(
            environment=environment,
            project_file=given.name if is_file else None,
            state=None if state is None else os.fspath(state),
            url=url,
            token=token,
            local=local,
            env_file=None if env_file is None else os.fspath(env_file),
            shard=part,
            allow=tuple(allow),
        ),
        _variables=dict(variables or {}),
        _environ=dict(os.environ if environ is None else environ),
    )
