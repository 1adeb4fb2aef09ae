"""Where implementations are picked: which store, which gateway, which clock a use case works with."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfdeploy.cli.checkout import require_untracked
from wfdeploy.cli.output import App
from wfdeploy.cli.settings import Settings
from wfdeploy.errors import UsageError
from wfdeploy.upstash import encoder
from wfdeploy.workspace import Workspace

if TYPE_CHECKING:
    from wfdeploy.cli.flags import TargetFlags
    from wfdeploy.ports import Listener, RunGateway


_COUNTS_SLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Of the clocks that are never set, the one that goes on while the machine sleeps, as the server's does. What
`time.monotonic` reads stands still then, on Linux and on macOS."""


class SystemClock:
    """Time as the operating system tells it."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(_COUNTS_SLEEP)

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)


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
    from wfdeploy.cli.embedded import local_id, local_server, local_variables

    if not online:
        server = f"local:{local_id(settings.local_database)}"
        yield _workspace(app, settings, listener, server=server, budget_s=budget_s, defaults=local_variables(settings))
        return
    with local_server(app, settings) as (url, token, server_id, demo_url):
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
    from wfdeploy.state.backend import SqliteBackend

    clock = SystemClock()
    _conceal(app, settings)
    return Workspace(
        target=settings.target,
        clock=clock,
        listener=listener,
        environ=settings.environ,
        # An env file, which may be part of the checkout, doesn't choose the user's folder.
        state_backend=SqliteBackend.of(
            settings.target, server, command=shlex.join(("wfdeploy", *app.arguments)), environ=app.environ
        ),
        gateway=lambda: _gateway(settings, url or settings.target.url, listener, clock, budget_s),
        encoder=encoder,
        log_lag_s=log_lag_s,
        defaults=defaults or {},
        stdin=lambda: _read_stdin(settings),
    )


def _conceal(app: App, settings: Settings) -> None:
    """No report of a bug may hold these."""
    secrets = (settings.environ.get(name) for name in settings.target.project.secrets)
    app.concealed.update(value for value in (settings.target.token, *secrets) if value)


def _gateway(settings: Settings, url: str, listener: Listener, clock: SystemClock, budget_s: float) -> RunGateway:
    target = settings.target
    if target.token is None:
        raise UsageError(
            f"there is no token: {target.token_source} is not set",
            hint=f"export {target.token_source}=... (the console shows it), name a file with --token-file, "
            "or work without an account: --local",
        )
    if settings.by_cache is not None:
        from wfdeploy.project.file import confirm

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
    from wfdeploy.documents.sources import MAX_FILE_BYTES

    try:
        return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)  # whoever reads it says that this is too much
    except OSError as error:
        raise UsageError(f"standard input can't be read: {error.strerror or error}") from error


@contextmanager
def exported_lines(name: str) -> Iterator[Iterator[str]]:
    """The lines of a state export, as far as a line may be long; `-` is standard input. Raises: `UsageError`."""
    from wfdeploy.files.access import open_given
    from wfdeploy.state.exported import LONGEST_LINE

    try:
        file = nullcontext(sys.stdin.buffer) if name == "-" else open_given(Path(name))
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror}", hint="name an export, or - for it") from error
    with file as lines:
        yield (line.decode() for line in iter(lambda: lines.readline(LONGEST_LINE + 1), b""))
