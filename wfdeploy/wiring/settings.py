"""Options, environment variables and the project file become one frozen `Settings`.

What beats what: options, then variables, then the project file. But a chosen environment is beaten by options only, so
that a stray `QSTASH_URL` never turns production's runs elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.errors import UsageError
from wfdeploy.files.access import user_state_folder
from wfdeploy.files.bounds import Bounds, OutOfBoundsError
from wfdeploy.model.project import LOCAL, Project, Target
from wfdeploy.wiring.checkout import OWN_FOLDER, not_as_named, require_as_named

if TYPE_CHECKING:
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.project.permissions import Permissions
    from wfdeploy.upstash.endpoint import Endpoint, GivenToken

EMBEDDED = "local"
"""Stands for the URL of the embedded server, whose port differs each time and means nothing."""

_LONGEST_TOKEN = 16_384
_LONGEST_ENV_FILE = 1_000_000

LOCAL_DATABASE = f"{OWN_FOLDER}/local-server.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is known about where to work."""

    target: Target
    process_environ: Mapping[str, str] = field(repr=False)
    """The variables of the process alone. An env file, which may be part of the checkout, chooses no folder."""
    environ: Mapping[str, str] = field(repr=False)
    """The variables of the process and the env file."""
    cwd: Path
    """The folder that relative paths of options start from."""
    stdin_taken: bool = False
    """Standard input was read for the token, so nothing else can be read from it."""
    by_cache: Path | None = None
    """The folder of the user's state, where a cached project file may have been used."""
    permissions: Permissions
    """What the operator allows."""
    ignored: tuple[str, str] | None = None
    """A message and a hint about a variable that names another server and doesn't count."""

    @property
    def local_database(self) -> Path:
        """The database of the embedded server."""
        return self.target.project.root / LOCAL_DATABASE


def as_typed(path: str, cwd: Path) -> str:
    """A path below the working directory as a user would type it."""
    return str(Path(path).relative_to(cwd)) if Path(path).is_relative_to(cwd) else path


def secret_values(target: Target, environ: Mapping[str, str]) -> Collection[str]:
    """The token, the URLs of webhooks and the values of the project's secrets: what must never be shown."""
    project = target.project
    secrets = (environ.get(name) for name in (*project.secrets, *(one.url_env for one in project.notify)))
    return [value for value in (target.token, *secrets) if value]


def resolve(
    options: TargetOptions, process_environ: Mapping[str, str], *, cwd: Path | None = None, by_cache: bool = False
) -> Settings:
    """Find out where to work.

    by_cache: a project file that is known from before need not be read again; for use cases that change nothing.

    A missing token is no error yet: many use cases don't need one.

    Raises: `UsageError`, and `InvalidInput` when the project file or env file is wrong.
    """
    cwd = Path.cwd() if cwd is None else cwd
    environ = process_environ
    # Before the env file, which may be part of the checkout.
    permissions = _permissions(options, environ)
    folder = user_state_folder(environ) if by_cache else None
    if options.env_file is not None:
        environ = _with_env_file(environ, options.env_file, folder=cwd, bounds=_bounds(options, permissions, cwd))
    from wfdeploy.project.permissions import require_permitted, require_within
    from wfdeploy.upstash.endpoint import resolve_endpoint, wants_dev_server

    if options.local and options.token_file is not None:
        raise UsageError("--local brings its own token, so --token-file makes no sense beside it")
    if options.token is not None and (options.local or options.token_file is not None):
        raise UsageError("a token is given, and a token file or the embedded server would bring another one")
    is_embedded = options.local or (options.url is None and (options.environment == LOCAL or wants_dev_server(environ)))
    wanted = LOCAL if is_embedded and options.environment is None else options.environment
    project = _load_project(options, cwd, wanted, by_cache=folder)
    project = replace(project, allowed_paths=permissions.paths())
    endpoint = resolve_endpoint(
        environ,
        server=project.server,
        url=options.url,
        given=_given_token(options, permissions, cwd),
        local=options.local or (is_embedded and options.environment == LOCAL),
        chosen=options.environment,
    )
    require_permitted(project, None if endpoint.dev else endpoint.url, permissions, cwd=cwd)
    state_file, state_url, shared_name = _state_file(options, project, cwd), None, ""
    if (options.state is not None and "://" in options.state) or _has_shared_state(options, project):
        from wfdeploy.wiring.shared_state import find_url

        state_url, shared_name = find_url(options, project, environ, permissions, cwd=cwd)
    elif options.state is None:
        require_within(project, state_file, cwd=cwd)
    else:
        require_as_named("the state", options.state, folder=cwd, bounds=project.bounds)
    return Settings(
        target=replace(
            _target(endpoint, project, state_file),
            shard=options.shard,
            named_state=options.state,
            state_url=state_url,
            shared_name=shared_name,
        ),
        process_environ=process_environ,
        environ=environ,
        cwd=cwd,
        stdin_taken=options.token_file == "-",  # noqa: S105 (a file name)
        by_cache=folder,
        permissions=permissions,
        ignored=endpoint.ignored,
    )


def presumed_places(options: TargetOptions, environ: Mapping[str, str], *, cwd: Path) -> Iterator[tuple[Project, Path]]:
    """The project and the state file of the environment that is meant, or of each where none is chosen.

    For what must be quick and leave no trace. Raises: `WfdeployError` where the project file is wrong.
    """
    from wfdeploy.project.file import DEFAULT, load_project

    file = None if options.project_file is None else Path(options.project_file)

    def load(environment: str) -> Project:
        by_cache = user_state_folder(environ)
        return load_project(cwd=cwd, file=file, environment=environment, by_cache=by_cache, remember=False)

    chosen = LOCAL if options.local else options.environment
    project = load(chosen or LOCAL)
    for environment in (project.environments or (DEFAULT,)) if chosen is None else ():
        one = load(environment)
        yield one, _state_file(options, one, cwd)
    yield project, _state_file(options, project, cwd)


def _permissions(options: TargetOptions, environ: Mapping[str, str]) -> Permissions:
    from wfdeploy.project.permissions import VARIABLE, Permissions

    try:
        return Permissions.read((*options.allow, *environ.get(VARIABLE, "").split()))
    except ValueError as error:
        raise UsageError(f"what is allowed can't be read: {error}", hint=f"check --allow and {VARIABLE}") from error


def _target(endpoint: Endpoint, project: Project, state_file: Path) -> Target:
    from wfdeploy.upstash.endpoint import DEV_TOKEN, is_loopback

    url, token, source = endpoint.url, endpoint.token, endpoint.token_source
    loopback = endpoint.dev or is_loopback(url)
    if endpoint.dev:
        # The server's own token is known once it runs.
        url, token, source = EMBEDDED, None, "the embedded server"
    elif token is None and project.environment == LOCAL and loopback:
        token, source = DEV_TOKEN, "the development server's published one"
    return Target(
        project=project,
        url=url,
        token=token,
        token_source=source,
        state_file=state_file,
        local=endpoint.dev,
        loopback=loopback,
    )


def _load_project(options: TargetOptions, cwd: Path, environment: str | None, *, by_cache: Path | None) -> Project:
    from wfdeploy.project.file import load_project

    file = None if options.project_file is None else Path(options.project_file)
    if file is not None and not (cwd / file).is_file():
        raise UsageError(f"there is no project file {file}", hint="check --project-file, or make one: wfdeploy init")
    return load_project(cwd=cwd, file=file, environment=environment, by_cache=by_cache)


def _bounds(options: TargetOptions, permissions: Permissions, cwd: Path) -> Bounds:
    """The project's bounds, before its file is read."""
    from wfdeploy.project.file import locate_project_file

    named = None if options.project_file is None else Path(options.project_file)
    file = locate_project_file(cwd=cwd, file=named)
    return Bounds.around(cwd if file is None else file.parent, map(Path, permissions.paths()))


def _with_env_file(environ: Mapping[str, str], name: str, *, folder: Path, bounds: Bounds) -> dict[str, str]:
    """The environment with the variables below it of a file that is named relative to a folder.

    Values are taken as they stand: a `$` in a secret is part of the secret.

    Raises: `UsageError` when the file can't be read; `InvalidInput` for lines that aren't variables.
    """
    import errno
    from io import StringIO

    from dotenv.parser import parse_stream

    from wfdeploy.errors import InvalidInput
    from wfdeploy.files.access import read_named
    from wfdeploy.model.diagnostic import Diagnostic, Place

    path = folder / name
    try:
        data = read_named(name, folder=folder, bounds=bounds, most=_LONGEST_ENV_FILE)
        if len(data) > _LONGEST_ENV_FILE:
            raise OSError(errno.EFBIG, f"it is larger than {_LONGEST_ENV_FILE:,} bytes")
        text = data.decode("utf-8-sig")
    except OutOfBoundsError as error:
        raise not_as_named("the variables file", path, error) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"the variables file {path} can't be read: {reason}", hint="check --env-file") from error
    values: dict[str, str] = {}
    problems: list[Diagnostic] = []
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            # No excerpt: the line probably holds a secret.
            problems.append(
                Diagnostic(
                    code="env-file-line",
                    message="this line is not NAME=VALUE",
                    place=Place(str(path), binding.original.line),
                    hint="quote values that hold quotes or line breaks",
                )
            )
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    if problems:
        raise InvalidInput(problems)
    return {**values, **environ}


def _given_token(options: TargetOptions, permissions: Permissions, cwd: Path) -> GivenToken | None:
    name = options.token_file
    if name is None and options.token is None:
        return None
    from wfdeploy.files.access import read_named
    from wfdeploy.upstash.endpoint import GivenToken

    if name is None:
        return GivenToken("the given token", options.token or "")

    try:
        if name == "-":
            return GivenToken("standard input", sys.stdin.buffer.read(_LONGEST_TOKEN).decode())
        data = read_named(name, folder=cwd, bounds=_bounds(options, permissions, cwd), most=_LONGEST_TOKEN)
        return GivenToken(f"the file {name}", data.decode())
    except OutOfBoundsError as error:
        raise not_as_named("the token file", cwd / name, error) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"the token file {name} can't be read: {reason}", hint="check --token-file") from error


def _has_shared_state(options: TargetOptions, project: Project) -> bool:
    return options.state is None and not (project.state_url is None and project.state_url_env is None)


def _state_file(options: TargetOptions, project: Project, cwd: Path) -> Path:
    if options.state is not None:
        return cwd / options.state
    path = project.root / (project.state_path or f".wfdeploy/state/{project.environment}.db")
    if options.shard is None:
        return path
    # Without the number of shards: a state that was made for another one is found, and refused.
    return path.with_name(f"{path.stem}.shard-{options.shard.index}{path.suffix}")
