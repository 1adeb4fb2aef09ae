"""Flags, environment variables and the project file become one frozen `Settings`.

What beats what: flags, then variables, then the project file. But an environment chosen with `-e` is beaten by flags
only, so that a stray `QSTASH_URL` never turns production's runs elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wfdeploy.cli import sdk_variables
from wfdeploy.errors import UsageError
from wfdeploy.model.project import LOCAL, Project, Target

if TYPE_CHECKING:
    from wfdeploy.cli.options import TargetFlags

HOSTED_URL = "https://qstash.upstash.io"
TOKEN_VARIABLE = "QSTASH_TOKEN"  # noqa: S105 (its name, not a token)
LOCAL_DATABASE = ".wfdeploy/local-server.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a command was told about where it works. `environ`: the process environment and the env file.

    `stdin_taken`: standard input was read for the token, so nothing else can be read from it.
    """

    target: Target
    environ: Mapping[str, str] = field(repr=False)
    cwd: Path
    stdin_taken: bool = False

    @property
    def local_database(self) -> Path:
        """Where the embedded server keeps its runs."""
        return self.target.project.root / LOCAL_DATABASE


def resolve(flags: TargetFlags, environ: Mapping[str, str], *, cwd: Path | None = None) -> Settings:
    """Where to work. Raises: `UsageError`, and `InvalidInput` when the project file or env file is wrong.

    A missing token is no error yet: many commands don't need one.
    """
    cwd = Path.cwd() if cwd is None else cwd
    if flags.env_file is not None:
        from wfdeploy.cli.env_file import with_env_file

        environ = with_env_file(environ, cwd / flags.env_file)
    _refuse_contradictions(flags)
    is_dev = flags.local or (flags.url is None and sdk_variables.wants_dev_server(environ))
    if is_dev and flags.environment not in (None, LOCAL):
        asked = "--local" if flags.local else "QSTASH_DEV"
        raise UsageError(
            f"{asked} works in the environment '{LOCAL}', and -e asks for '{flags.environment}'",
            hint="leave one of them out" if flags.local else "unset QSTASH_DEV to work on a hosted environment",
        )
    project = _load_project(flags, cwd, LOCAL if is_dev else flags.environment)
    is_embedded = project.environment == LOCAL and flags.url is None
    url = "" if is_embedded else _url(flags, environ, project)
    token, token_source = (None, "the embedded server") if is_embedded else _token(flags, environ, project, cwd)
    return Settings(
        target=Target(
            project=project,
            url=url,
            token=token,
            token_source=token_source,
            state_file=_state_file(flags, project, cwd),
            local=is_embedded,
        ),
        environ=environ,
        cwd=cwd,
        stdin_taken=flags.token_file == "-",  # noqa: S105 (a file name)
    )


def _refuse_contradictions(flags: TargetFlags) -> None:
    for flag, value in (("--url", flags.url), ("--token-file", flags.token_file)):
        if flags.local and value is not None:
            raise UsageError(f"--local brings its own server and token, so {flag} makes no sense beside it")


def _load_project(flags: TargetFlags, cwd: Path, environment: str | None) -> Project:
    from wfdeploy.operations.project_file import load_project

    file = None if flags.project_file is None else Path(flags.project_file)
    if file is not None and not (cwd / file).is_file():
        raise UsageError(f"there is no project file {file}", hint="check --project-file, or make one: wfdeploy init")
    return load_project(cwd=cwd, file=file, environment=environment)


def _is_chosen(flags: TargetFlags) -> bool:
    return flags.environment is not None


def _url(flags: TargetFlags, environ: Mapping[str, str], project: Project) -> str:
    variable = f"{sdk_variables.prefix(environ)}QSTASH_URL"
    from_variable = (environ.get(variable, "").strip() or None, variable)
    from_file = (project.server.url, f"the project file {project.file}")
    order = (from_file, from_variable) if _is_chosen(flags) else (from_variable, from_file)
    for url, source in ((flags.url, "--url"), *order):
        if url is not None:
            return _checked_url(url, source)
    return HOSTED_URL


def _checked_url(url: str, source: str) -> str:
    hint = f"{source} must be like {HOSTED_URL}"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (reading it checks it)
    except ValueError as error:
        raise UsageError(f"the server URL {url!r} is not valid: {error}", hint=hint) from error
    if parts.username is not None or parts.password is not None:
        raise UsageError("the server URL holds credentials", hint=f"take them out of {source}; a token has its own way")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"the server URL {url!r} is not an absolute http or https URL", hint=hint)
    return url.rstrip("/")


def _token(flags: TargetFlags, environ: Mapping[str, str], project: Project, cwd: Path) -> tuple[str | None, str]:
    """The token, if there is one, and where it comes from or would."""
    if flags.token_file is not None:
        return _token_of_file(flags.token_file, cwd)
    if project.server.token_env is not None:
        name = project.server.token_env
    else:
        name = f"{sdk_variables.prefix(environ)}{TOKEN_VARIABLE}"
    value = environ.get(name, "").strip()
    return (_checked_token(value, name) if value else None), name


def _token_of_file(name: str, cwd: Path) -> tuple[str, str]:
    source = "standard input" if name == "-" else f"the file {name}"
    try:
        text = sys.stdin.read() if name == "-" else (cwd / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"the token can't be read from {source}: {reason}", hint="check --token-file") from error
    token = text.strip()
    if not token:
        raise UsageError(f"there is no token in {source}", hint="check --token-file")
    return _checked_token(token, source), source


def _checked_token(token: str, source: str) -> str:
    # It becomes a header: a line break in it would fail much later, in words that nobody understands.
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            f"what {source} holds is not a token: it has blanks, line breaks or other odd characters in it"
        )
    return token


def _state_file(flags: TargetFlags, project: Project, cwd: Path) -> Path:
    if flags.state is not None:
        return cwd / flags.state
    return project.root / (project.state_path or f".wfdeploy/state/{project.environment}.db")
