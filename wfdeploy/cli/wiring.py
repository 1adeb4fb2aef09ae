"""Where implementations are picked: which store, which gateway, which clock a use case works with."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfdeploy.cli.app import App
from wfdeploy.cli.clock import SystemClock
from wfdeploy.cli.settings import OWN_FOLDER, Settings
from wfdeploy.errors import StateUnusable, UsageError
from wfdeploy.files.tracking import UnreadableIndexError, tracked
from wfdeploy.model.pasting import shell_word
from wfdeploy.operations.workspace import Stores, Workspace
from wfdeploy.upstash import encoder

if TYPE_CHECKING:
    from wfdeploy.cli.flags import TargetFlags
    from wfdeploy.model.state import Binding
    from wfdeploy.ports import Listener, ListingFile, RunGateway, StateStore
    from wfdeploy.state.freshness import FreshnessMarker

_LOCAL_ID_UNKNOWN = "none yet"


@contextmanager
def workspace(
    app: App, settings: Settings, listener: Listener, *, online: bool = True, budget_s: float = 300.0
) -> Iterator[Workspace]:
    """The surroundings of one command. With `online`, the embedded server runs inside where it is the target.

    Raises: `StateUnusable` where git tracks what only this machine may have written.
    """
    require_untracked(settings.target.project.root, settings.target.state_file)
    if not settings.target.local:
        from wfdeploy.upstash.settings import origin

        yield _workspace(app, settings, listener, server=origin(settings.target.url), budget_s=budget_s)
        return
    if not online:
        server = f"local:{_local_id(settings.local_database)}"
        yield _workspace(app, settings, listener, server=server, budget_s=budget_s, defaults=local_variables(settings))
        return
    with _local_server(app, settings) as (url, token, server_id, demo_url):
        yield _workspace(
            app,
            replace(settings, target=replace(settings.target, token=token)),
            listener,
            url=url,
            server=f"local:{server_id}",
            budget_s=budget_s,
            log_lag_s=0.0,
            defaults={**local_variables(settings), **({} if demo_url is None else {"app_url": demo_url})},
        )


@contextmanager
def opened(
    app: App, where: TargetFlags | Settings, *, online: bool = True, budget_s: float = 300.0
) -> Iterator[Workspace]:
    """The surroundings of a command that says what goes on. Not `online`: it works on the state alone."""
    from wfdeploy.cli import progress, settings

    chosen = where if isinstance(where, Settings) else settings.resolve(where, app.environ)
    with (
        progress.listener(app.output) as listener,
        workspace(app, chosen, listener, online=online, budget_s=budget_s) as surroundings,
    ):
        yield surroundings


def local_variables(settings: Settings) -> Mapping[str, str]:
    """Variables that the embedded server supplies, for manifests that want to run with nothing else running."""
    from wfdeploy.cli import demo_port

    return {"app_url": demo_port.url(settings.local_database)}


def warn_of_shared_names(app: App, settings: Settings) -> None:
    """A project without a uid shares its name's runs with every other project that is called the same."""
    target = settings.target
    if target.local or target.project.uid is not None:
        return
    if target.project.file is None:
        app.output.warn(
            "there is no project file, so runs are triggered as the project 'default'; two such projects on one "
            "account would take each other's runs for their own",
            "write one: wfdeploy init",
        )


def _workspace(
    app: App,
    settings: Settings,
    listener: Listener,
    *,
    server: str,
    budget_s: float,
    url: str | None = None,
    log_lag_s: float | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Workspace:
    clock = SystemClock()
    _conceal(app, settings)
    return Workspace(
        target=settings.target,
        server=server,
        clock=clock,
        listener=listener,
        environ=settings.environ,
        command=shlex.join(("wfdeploy", *app.arguments)),
        # An env file, which may be part of the checkout, doesn't choose the user's folder.
        stores=stores(app.environ, (settings.target.project.bounds.root, settings.target.state_file.parent)),
        gateway=lambda: _gateway(settings, url or settings.target.url, listener, clock, budget_s),
        encoder=encoder,
        budget_s=budget_s,
        log_lag_s=log_lag_s,
        defaults=defaults or {},
        stdin=lambda: _read_stdin(settings),
    )


def require_untracked(root: Path, database: Path) -> None:
    """A state, cache or database that came with the checkout is the word of whoever opened the pull request.

    `root`: of the project; `database`: that of its state, or of the embedded server. Raises: `StateUnusable`.
    """
    why = "what wfdeploy keeps would be what a commit says, and not what happened"
    _require_untracked(root, [OWN_FOLDER], why)
    # Not by what the path reads: `.wfdeploy/../data.db` lies elsewhere, and so does all in it where it is a link.
    real = Path(os.path.realpath(database.parent))
    if not real.is_relative_to(Path(os.path.realpath(root), OWN_FOLDER)):
        beside = (f"{database.name}{suffix}" for suffix in ("-wal", "-shm", "-journal"))
        _require_untracked(database.parent, [database.name, *beside], why)


def _require_untracked(folder: Path, names: Collection[str], why: str) -> None:
    try:
        found = tracked(folder, names)
    except UnreadableIndexError as error:
        raise StateUnusable(
            f"it can't be told whether git tracks {', '.join(names)} in {folder}: {error}",
            hint="mend the repository; `git status` says what is wrong with it",
        ) from error
    if found is not None:
        shown = shell_word(str(found))
        raise StateUnusable(
            f"git tracks {found}: {why}",
            hint=f"take it out of the repository: git rm -r --cached {shown}; a line in .gitignore keeps it out",
        )


def require_own_plan(file: Path, settings: Settings) -> None:
    """A saved plan that came with the checkout, perhaps in the place of the manifests, says what somebody else wants:
    which paths are read, with which variables, and what is triggered again. Raises: `UsageError`, `StateUnusable`."""
    from wfdeploy.cli.named import require_as_named

    require_as_named("the plan", str(file), folder=settings.cwd, bounds=settings.target.project.bounds)
    path = settings.cwd / file
    for each in (path, path.resolve()):
        _require_untracked(
            each.parent, [each.name], "a saved plan is carried out for whoever made it, not for a commit"
        )


def _conceal(app: App, settings: Settings) -> None:
    """No report of a bug may hold these."""
    secrets = (settings.environ.get(name) for name in settings.target.project.secrets)
    app.concealed.update(value for value in (settings.target.token, *secrets) if value)


def stores(environ: Mapping[str, str], copied_with_state: Collection[Path]) -> Stores:
    """The SQLite stores. `copied_with_state`: the folders with which a state is copied and restored."""
    from wfdeploy.state.sqlite_store import SqliteStore

    new_key = os.urandom(32)

    def open_(path: Path, binding: Binding, readonly: bool) -> StateStore:
        return SqliteStore.open_existing(path, binding, readonly=readonly)

    def marker() -> FreshnessMarker:
        from wfdeploy.state.freshness import FreshnessMarker, marker_folder

        return FreshnessMarker(marker_folder(environ, copied_with_state))

    def listing_file(name: str) -> ListingFile:
        from wfdeploy.state.freshness import marker_folder
        from wfdeploy.state.listing_file import SavedListingFile

        return SavedListingFile(marker_folder(environ, copied_with_state), name)

    return Stores(
        exists=os.path.lexists,  # a link to nothing is no state that may be begun
        open=open_,
        create=lambda path, binding: SqliteStore.create(path, binding, redaction_key=new_key),
        empty=lambda binding: SqliteStore.in_memory(binding, redaction_key=new_key),
        new_key=new_key,
        lock=_lock,
        is_latest=lambda store: marker().matches(store.head()),
        mark_latest=lambda store: marker().write(store.head()),
        clear_mark=lambda store: marker().clear(store.head()),
        export=_export,
        import_=_import,
        listing_file=listing_file,
    )


def _lock(path: Path, command: str, timeout_s: float, on_wait: Callable[[str], None]) -> AbstractContextManager[None]:
    from wfdeploy.state import locking

    return locking.lock(path, command=command, timeout_s=timeout_s, on_wait=on_wait)


def _export(store: StateStore) -> Iterator[str]:
    from wfdeploy.state.export import export_lines

    return export_lines(store)


def _import(lines: Iterable[str], path: Path, binding: Binding) -> StateStore:
    from wfdeploy.state.export import import_lines

    return import_lines(lines, path, binding)


def _gateway(settings: Settings, url: str, listener: Listener, clock: SystemClock, budget_s: float) -> RunGateway:
    target = settings.target
    if target.token is None:
        raise UsageError(
            f"there is no token: {target.token_source} is not set",
            hint=f"export {target.token_source}=... (the console shows it), name a file with --token-file, "
            "or work without an account: --local",
        )
    if settings.by_cache is not None:
        from wfdeploy.operations.project_file import confirm

        confirm(target.project, cwd=settings.cwd, by_cache=settings.by_cache)  # a token never leaves by a cache's word
    from wfdeploy.upstash.client import UpstashGateway
    from wfdeploy.upstash.scrub import Scrubber

    secrets = (settings.environ.get(name, "") for name in target.project.secrets)
    return UpstashGateway(
        url,
        target.token,
        settings=target.project.server,
        clock=clock,
        scrubber=Scrubber(value for value in (target.token, *secrets) if value),
        token_source=target.token_source,
        wait_budget_s=budget_s,
        listener=listener,
    )


def _read_stdin(settings: Settings) -> bytes:
    if settings.stdin_taken:
        raise UsageError("standard input can't give both the token and the manifests")
    return read_stdin()


def read_stdin() -> bytes:
    """What standard input holds, up to more than any file may. Raises: `UsageError`."""
    from wfdeploy.pipeline.load.sources import MAX_FILE_BYTES

    try:
        return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)  # whoever reads it says that this is too much
    except OSError as error:
        raise UsageError(f"standard input can't be read: {error.strerror or error}") from error


@contextmanager
def exported_lines(name: str) -> Iterator[Iterator[str]]:
    """The lines of a state export, as far as a line may be long; `-` is standard input. Raises: `UsageError`."""
    from wfdeploy.files.reading import open_given
    from wfdeploy.state.exported import LONGEST_LINE

    try:
        file = nullcontext(sys.stdin.buffer) if name == "-" else open_given(Path(name))
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror}", hint="name an export, or - for it") from error
    with file as lines:
        yield (line.decode() for line in iter(lambda: lines.readline(LONGEST_LINE + 1), b""))


# --- the embedded server -----------------------------------------------------------------------------------------


@contextmanager
def _local_server(app: App, settings: Settings) -> Iterator[tuple[str, str, str, str | None]]:
    """URL, token, id of the local server, and where its demo workflow is; one that runs already is used."""
    try:
        from wfdeploy.localserver.serve import LocalServer, find_running
        from wfdeploy.localserver.tenants import DEFAULT_TENANT
    except ModuleNotFoundError as error:
        raise missing_extra() from error
    from wfdeploy.cli import demo_port, logs

    database = settings.local_database
    running = find_running(database)
    if running is not None:
        yield running, DEFAULT_TENANT.token, _local_id(database), None
        return
    wished = demo_port.wished(database)
    with logs.heard(app.output), LocalServer(database, demo=True, demo_port=wished, announce=True) as server:
        app.output.detail(f"an embedded server listens at {server.url}, its demo workflow at {server.demo_url}")
        if demo_port.was_used(database) and server.demo_url != demo_port.url(database):
            app.output.warn(
                f"port {wished} is in use by another program, so the demo workflow is at {server.demo_url}: "
                "runs that use the supplied vars.app_url count as changed",
                "give the variable a value of its own in the environment 'local' of wfdeploy.yaml",
            )
        demo_port.remember(database, server.demo_url)
        yield server.url, server.token, server.server_id, server.demo_url


def missing_extra() -> UsageError:
    """The embedded server's packages are an extra, which isn't there."""
    return UsageError("the embedded server is not installed", hint="install it: pip install 'wfdeploy[local]'")


def _local_id(database: Path) -> str:
    """The id kept in the local server's database, without starting it."""
    import sqlite3

    if not database.exists():
        return _LOCAL_ID_UNKNOWN
    from wfdeploy.files.databases import StrangeFileError, require_database, uri_of
    from wfdeploy.localserver.store.database import server_id

    try:
        require_database(database)
    except StrangeFileError as error:
        raise StateUnusable(f"the local server's database can't be used: {error}", hint="take it away") from error
    try:
        connection = sqlite3.connect(f"{uri_of(database)}?mode=ro", uri=True)
        try:
            return server_id(connection)
        finally:
            connection.close()
    except (sqlite3.Error, TypeError, UnicodeDecodeError):  # such a table isn't there, or nothing is in it
        return _LOCAL_ID_UNKNOWN
