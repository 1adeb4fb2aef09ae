"""What the operator of a command allows the files of a checkout to request, and a project file held to that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.files.bounds import OutOfBoundsError
from wfdeploy.model.address import shell_word
from wfdeploy.model.project import Project

if TYPE_CHECKING:
    from wfdeploy.model.document import FieldPath

VARIABLE = "WFDEPLOY_ALLOW"

_TOKENS = ("QSTASH_TOKEN", "QSTASH_TOKEN_*", "*_QSTASH_TOKEN")

_STATE_URLS = ("WFDEPLOY_STATE_URL", "WFDEPLOY_STATE_URL_*", "*_STATE_URL")


class Kind(Enum):
    """What a permission is about."""

    TOKEN = "token"  # noqa: S105 - a kind
    SECRET = "secret"  # noqa: S105
    URL = "url"
    STATE = "state"
    NOTIFY = "notify"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Patterns by kind, with `*` and `?` as in file names.

    TOKEN: adds to the names that QStash tokens have.
    SECRET, URL: everything is allowed as long as there is no pattern; one pins them.
    STATE: as URL, of a shared state. Where there are patterns for URLs, those of shared states need some too.
    NOTIFY: as URL, of a webhook; but nothing is allowed as long as there is no pattern.
    PATH: plain paths, relative to the project file, of files and folders that may be named although they are hidden or
    lie elsewhere.
    """

    patterns: frozenset[tuple[Kind, str]] = frozenset()

    @classmethod
    def read(cls, entries: Iterable[str]) -> Permissions:
        """Read `KIND=PATTERN` entries. Raises: `ValueError` for one that isn't."""
        found = set()
        for entry in entries:
            kind, _, pattern = entry.partition("=")
            if not pattern or kind not in {one.value for one in Kind}:
                kinds = ", ".join(one.value for one in Kind)
                raise ValueError(f"{entry!r} is not KIND=PATTERN, with one of these kinds: {kinds}")
            found.add((Kind(kind), pattern))
        return cls(frozenset(found))

    def token(self, variable: str) -> bool:
        """Whether a variable of this name may be read as a token."""
        return _matches(variable, (*_TOKENS, *self._of(Kind.TOKEN)))

    def secret(self, name: str) -> bool:
        """Whether manifests may use a secret of this name."""
        return _matches(name, self._of(Kind.SECRET) or ("*",))

    def url(self, url: str) -> bool:
        """Whether a token may be sent to this URL. A pattern is a host, which then needs HTTPS, or a whole origin."""
        wanted = self._of(Kind.URL)
        return not wanted or _is_origin_of(url, wanted)

    def notify(self, url: str) -> bool:
        """Whether notifications may be sent to this URL. A pattern is as for `url`."""
        return _is_origin_of(url, self._of(Kind.NOTIFY))

    def state(self, places: Iterable[str]) -> bool:
        """Whether a shared state may be in these places: the origins (`s3://bucket`, `postgresql://host:port`,
        `https://endpoint`) that get to see a signature or a password."""
        wanted = self._of(Kind.STATE)
        if not wanted:
            return not self._of(Kind.URL)
        return all(_matches(place.lower(), (one.lower().rstrip("/") for one in wanted)) for place in places)

    def state_variable(self, name: str) -> bool:
        """Whether a variable of this name may be read as the URL of a shared state."""
        return _matches(name, (*_STATE_URLS, *self._of(Kind.TOKEN)))

    def paths(self) -> tuple[str, ...]:
        """What may be named beside the files of the project."""
        return self._of(Kind.PATH)

    def _of(self, kind: Kind) -> tuple[str, ...]:
        return tuple(sorted(pattern for one, pattern in self.patterns if one is kind))


def _is_origin_of(url: str, patterns: Iterable[str]) -> bool:
    parts = urlsplit(url.lower())
    origin = f"{parts.scheme}://{parts.netloc}"
    whole, hosts = ([one.lower() for one in patterns if ("://" in one) is is_whole] for is_whole in (True, False))
    is_secure = parts.scheme == "https"
    return _matches(origin, (one.rstrip("/") for one in whole)) or (is_secure and _matches(parts.netloc, hosts))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    # Only * and ? are signs: brackets stand around an IPv6 address.
    return any(fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)


def require_permitted(project: Project, url: str | None, permissions: Permissions, *, cwd: Path) -> None:
    """Raise where the project requests what isn't allowed.

    url: where the token goes; None for the embedded server.

    Raises: `InvalidInput` with the place in the project file; `UsageError` for a URL that isn't the file's.
    """
    token = project.server.token_env
    if url is not None and token is not None and not permissions.token(token):
        _refuse(
            project,
            cwd,
            _fields(project, "tokenEnv"),
            message=f"the variable {token} may not be read as a token",
            hint="name it QSTASH_TOKEN_... or ..._QSTASH_TOKEN; or whoever runs this command allows it: "
            f"--allow token={token}, or {VARIABLE} in the environment",
        )
    for name in project.secrets:
        if not permissions.secret(name):
            _refuse(
                project,
                cwd,
                _fields(project, "secrets", name),
                message=f"the secret {name} is not among those that are allowed here",
                hint=f"whoever runs this command allows it: --allow secret={name}, or {VARIABLE} in the environment",
            )
    if url is not None and not permissions.url(url):
        message = f"the server {url} is not among those that are allowed here"
        hint = f"whoever runs this command allows it: --allow url=HOST, or {VARIABLE} in the environment"
        if project.file is None or project.server.url is None or not url.startswith(project.server.url.rstrip("/")):
            raise UsageError(message, hint=hint)
        _refuse(project, cwd, _fields(project, "url"), message=message, hint=hint)


def require_within(project: Project, state_file: Path, *, cwd: Path) -> None:
    """Raise where the project's state would lie elsewhere. Raises: `InvalidInput`, with the place of `state.path`."""
    try:
        project.bounds.resolve(state_file, may_hide=True)
    except OutOfBoundsError as error:
        message = f"the state {project.state_path or state_file} {error.reason}"
        path = shell_word(os.path.realpath(state_file))
        hint = f"whoever runs this command allows it: --allow path={path}, or names it: --state"
        if project.file is None or project.state_path is None:
            raise UsageError(message, hint=hint) from error
        _refuse(project, cwd, _fields(project, "state", "path"), message=message, hint=hint)


def refuse_state(project: Project, cwd: Path, field: str, *, message: str, hint: str) -> NoReturn:
    """Refuse what the project file says of a shared state. Raises: `InvalidInput` with its place."""
    _refuse(project, cwd, _fields(project, "state", field), message=message, hint=hint)


def refuse_webhook(project: Project, cwd: Path, name: str, *, message: str, hint: str) -> NoReturn:
    """Refuse a webhook of the project file. Raises: `InvalidInput` with its place."""
    index = next(index for index, one in enumerate(project.notify) if one.name == name)
    _refuse(project, cwd, _fields(project, "notify", index, "urlEnv"), message=message, hint=hint)


def _fields(project: Project, *name: str | int) -> Iterator[FieldPath]:
    """Where a setting may stand; the environment's own first."""
    yield ("spec", "environments", project.environment, *name)
    yield ("spec", "server", *name)
    yield ("spec", *name)


def _refuse(project: Project, cwd: Path, fields: Iterator[FieldPath], *, message: str, hint: str) -> NoReturn:
    from wfdeploy.documents.positions import diagnose
    from wfdeploy.model.document import Finding, dotted
    from wfdeploy.project.document import project_document

    assert project.file is not None  # else nothing is requested
    document = project_document(project.file, cwd=cwd)
    path = next(filter(None, (_found(document.data, field) for field in fields)), ())
    finding = Finding(
        document=document, path=path, code="not-allowed", message=message, address=dotted(path), hint=hint
    )
    raise InvalidInput(diagnose([finding]))


def _found(data: object, field: FieldPath) -> FieldPath | None:
    """The path of a field, or of an entry of a list, that is there."""
    path: FieldPath = ()
    at: Any = data
    for step in field:
        if isinstance(at, dict):
            is_there = step in at
        else:
            is_there = isinstance(at, list) and isinstance(step, int) and step < len(at)
        if is_there:
            at, path = at[step], (*path, step)
        elif isinstance(at, list) and step in at:
            path = (*path, at.index(step))
        else:
            return None
    return path
