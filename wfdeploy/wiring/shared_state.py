"""Where a shared state is, and the backend that is wired to it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfdeploy.errors import StateError, StateUnusable, UsageError
from wfdeploy.files.access import user_state_folder
from wfdeploy.model.address import shell_word
from wfdeploy.model.project import Shard
from wfdeploy.model.state import Binding
from wfdeploy.project.permissions import VARIABLE, refuse_state
from wfdeploy.sharedlog.opening import open_backend, origins, without_secrets
from wfdeploy.state.shared.backend import SharedBackend
from wfdeploy.state.shared.lease import Clocks
from wfdeploy.state.shared.shards import WholeBackend

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfdeploy.log_ports import SharedLog
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.model.project import Project, Target
    from wfdeploy.ports import Clock
    from wfdeploy.project.permissions import Permissions
    from wfdeploy.state.shared.holding import Holding
    from wfdeploy.state.shared.migration import End
    from wfdeploy.workspace import Workspace

_TAKEN_OVER_S = 140.0
"""So long a move waits for a lease: long enough to take over that of a move that was killed."""

_MOST_LOOKED_AT = 64
"""Shards whose logs are looked at before another one begins."""

_SCHEMES = ("s3", "gs", "az", "postgres", "postgresql")


def find_url(
    options: TargetOptions, project: Project, environ: Mapping[str, str], permissions: Permissions, *, cwd: Path
) -> tuple[str, str]:
    """The URL of the shared state, as the user gives it, else as the project file does; and it without secrets.

    Raises: `UsageError`; `InvalidInput` for what the project file may not say here.
    """
    if options.state is not None:
        return _checked(options.state, "--state")
    variable = project.state_url_env
    if variable is None:
        assert project.state_url is not None
        _require_permitted(project, project.state_url, permissions, "url", cwd=cwd)
        return _checked(project.state_url, "state.url")
    if not permissions.state_variable(variable):
        refuse_state(
            project,
            cwd,
            "urlEnv",
            message=f"the variable {variable} may not be read as the URL of a state",
            hint=f"name it WFDEPLOY_STATE_URL or ..._STATE_URL; or whoever runs this command allows it: --allow "
            f"token={variable}, or {VARIABLE} in the environment",
        )
    url = environ.get(variable, "")
    if not url:
        raise UsageError(
            f"the state's URL is not known: {variable} is not set", hint=f"export {variable}=s3://BUCKET/PREFIX"
        )
    return _checked(url, variable)


def _checked(url: str, source: str) -> tuple[str, str]:
    """A URL with a scheme of shared states. Anything else isn't shown: it may be a secret."""
    if url.partition("://")[0].lower() not in _SCHEMES:
        raise UsageError(
            f"what {source} holds is no URL of a shared state",
            hint="it begins with s3://, gs://, az:// or postgresql://",
        )
    return url, without_secrets(url)


def _require_permitted(project: Project, url: str, permissions: Permissions, field: str, *, cwd: Path) -> None:
    places = origins(url)
    if not permissions.state(places):
        refuse_state(
            project,
            cwd,
            field,
            message=f"the state at {' and '.join(places)} is not among those that are allowed here",
            hint=f"whoever runs this command allows it: --allow state={places[0]}, or {VARIABLE} in the environment",
        )


def backend_of(
    target: Target,
    server: str,
    *,
    command: str,
    clock: Clock,
    environ: Mapping[str, str],
    own_environ: Mapping[str, str],
) -> SharedBackend:
    """The backend of a target's shared state. `server`: see `Binding`. `own_environ`: the process's alone, which names
    the folder of replicas."""
    url = target.state_url
    assert url is not None
    project = target.project
    folder = user_state_folder(own_environ)
    common: dict[str, Any] = {
        "name": without_secrets(url),
        "folder": (Path(tempfile.gettempdir()) / "wfdeploy" if folder is None else folder) / "replicas",
        "command": command,
        "environ": own_environ,
        "clocks": Clocks(steady=clock.monotonic),
        "copied_with_state": (project.bounds.root,),
        "may_take_over": project.state_take_over,
    }
    binding = Binding(project.key, project.environment, server)

    def opening(below: str) -> Callable[[], SharedLog]:
        def open_log() -> SharedLog:
            from wfdeploy.sharedlog.log import DecidedLog

            return DecidedLog(open_backend(url, environ, below=below), monotonic=clock.monotonic)

        return open_log

    def of_shard(index: int, count: int) -> SharedBackend:
        shard = Shard(index, count)
        return SharedBackend(
            opening(f"shard-{index}"),
            binding=binding._replace(shard=str(shard)),
            before_begin=lambda: _require_one_division(opening, shard, target.state_name),
            **common,
        )

    if target.shard is not None:
        return of_shard(target.shard.index, target.shard.count)
    return WholeBackend(opening(""), shard=of_shard, binding=binding, **common)


def unused_file(target: Target) -> tuple[str, str] | None:
    """A message and a hint about a state file beside a shared state, such as a CI cache brings back. None where it says
    itself that it has moved, or is no state."""
    import sqlite3

    from wfdeploy.state.database import connect
    from wfdeploy.state.moved import read_mark, refusal

    file = target.state_file
    try:
        with closing(connect(file, readonly=True)) as connection:
            mark = read_mark(connection)
    except (StateError, sqlite3.Error):
        return None
    if mark is None:
        return (
            f"the state file {file} is not used: the project's state is at {target.state_name}",
            f"delete it; or, if it is what was to be shared: wfdeploy state migrate --from {shell_word(str(file))}",
        )
    if mark.is_done:
        return None
    error = refusal(mark, str(file))
    return error.message, f"finish it: wfdeploy state migrate --from {shell_word(str(file))}; or go back, with --abort"


# --- what only shared states have ----------------------------------------------------------------------------


def begin(workspace: Workspace) -> int:
    """Begin a shared state. Returns its serial. Raises: `StateError` where there is one already; `UsageError`."""
    workspace.state_backend.prepare()
    backend = _shared(workspace)
    with workspace.lock():
        backend.begin()
        with closing(backend.open(readonly=False)) as store:
            return store.head().serial


def setup_warnings(workspace: Workspace) -> Sequence[tuple[str, str]]:
    """What is unwise about how the place of a shared state is set up, each with a hint. Raises: `UsageError`."""
    return _shared(workspace).log.backend.warnings()


def _require_one_division(opening: Callable[[str], Callable[[], SharedLog]], shard: Shard, name: str) -> None:
    """Refuse a shard of a state that is kept as a whole, or in another number of shards: runs would belong to both.

    opening: opens the log below a part of the prefix.
    """
    from wfdeploy.state.shared.shards import division

    for below in ("", *(f"shard-{index}" for index in range(1, min(shard.count, _MOST_LOOKED_AT) + 1))):
        log = opening(below)()
        with closing(log.backend):
            count = division(log)
        if count not in (None, shard.count):
            kept = f"in {count} shards" if count else "as a whole"
            raise StateUnusable(
                f"the state at {name} is kept {kept}, so it can't have shard {shard}",
                hint="use it as it is, or choose another URL for the new shards",
            )


def holding(workspace: Workspace) -> Holding:
    """Who holds the lease. Raises: `StateError`, `UsageError`."""
    from wfdeploy.state.shared.holding import look

    found = look(_shared(workspace).log)
    if found.last_entry is None and found.stored is None:
        workspace.require_state()
    return found


def unlock(workspace: Workspace, seen: Holding) -> None:
    """Take the lease away from its holder, if it is as it was seen. Raises: `StateError`, `UsageError`."""
    from wfdeploy.state.shared import lease

    if seen.stored is None or not seen.is_held:
        raise StateError("nobody holds the lease", hint="nothing needs to be unlocked")
    backend = _shared(workspace)
    lease.unlock(backend.log, seen.stored, by=backend.as_holder)


def pull(workspace: Workspace, file: Path) -> int:
    """Copy the state to a file that isn't there. Returns its serial. Raises: `StateError`, `UsageError`."""
    from wfdeploy.state.shared.holding import pull

    backend = _shared(workspace)
    workspace.require_state()
    return pull(backend, file)


def migrate(source: Workspace, target: Workspace, *, on_wait: Callable[[str], None]) -> bool:
    """Move a state, or finish moving it. Returns False where it had moved already.

    Raises: `StateError`, `UsageError`.
    """
    from wfdeploy.state.shared import migration

    target.state_backend.prepare()
    return migration.migrate(*_ends(source, target), timeout_s=_TAKEN_OVER_S, on_wait=on_wait)


def abort_migration(source: Workspace, target: Workspace, *, on_wait: Callable[[str], None]) -> None:
    """Abort moving a state. Raises: `StateError`, also when it is too late; `UsageError`."""
    from wfdeploy.state.shared import migration

    migration.abort(*_ends(source, target), timeout_s=_TAKEN_OVER_S, on_wait=on_wait)


def _ends(source: Workspace, target: Workspace) -> tuple[End, End]:
    from wfdeploy.state.backend import SqliteBackend
    from wfdeploy.state.shared.migration import FileEnd, SharedEnd

    def end(workspace: Workspace) -> End:
        backend = workspace.state_backend
        if isinstance(backend, SharedBackend):
            return SharedEnd(backend)
        assert isinstance(backend, SqliteBackend)
        return FileEnd(backend)

    ends = end(source), end(target)
    if not any(isinstance(one, SharedEnd) for one in ends):
        raise UsageError(
            f"both {source.target.state_name} and {target.target.state_name} are files",
            hint="move the file itself while no wfdeploy runs; this command moves a state to or from a URL",
        )
    return ends


def _shared(workspace: Workspace) -> SharedBackend:
    backend = workspace.state_backend
    if isinstance(backend, WholeBackend) and backend.is_sharded:
        raise backend.sharded()
    if not isinstance(backend, SharedBackend):
        raise UsageError(
            f"the state {workspace.target.state_name} is a file of this machine, not a shared one",
            hint="name a URL (s3://, gs://, az:// or postgresql://), or set state.url in the project file",
        )
    return backend
