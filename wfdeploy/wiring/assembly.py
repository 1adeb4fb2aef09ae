"""The choice of implementations: which store, which gateway, which clock a use case works with."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from wfdeploy.errors import UsageError
from wfdeploy.upstash import encoder
from wfdeploy.wiring.checkout import require_untracked
from wfdeploy.wiring.settings import Settings, secret_values
from wfdeploy.wiring.telemetry import telemetry_of
from wfdeploy.workspace import Workspace

if TYPE_CHECKING:
    from wfdeploy.model.project import Target
    from wfdeploy.ports import Clock, Listener, Permit, RunGateway, StateBackend, Webhooks
    from wfdeploy.telemetry.exporting import OtlpTelemetry


class Reporter(Protocol):
    """A receiver of remarks about where a use case works; events report what it does."""

    def warn(self, message: str, hint: str | None = None) -> None:
        """Report something that is probably unintended."""

    def detail(self, message: str) -> None:
        """Report something for those who look closer."""


_COUNTS_SLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The steady clock that continues while the machine sleeps, as the server's does. That of `time.monotonic` stops then,
on Linux and on macOS."""


class SystemClock:
    """The time of the operating system."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(_COUNTS_SLEEP)

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)


@contextmanager
def workspace(
    settings: Settings,
    listener: Listener,
    reporter: Reporter,
    *,
    command: str,
    online: bool = True,
    budget_s: float = 300.0,
    under_lease: bool = True,
) -> Iterator[Workspace]:
    """Open the surroundings of one use case.

    command: shown to whoever waits for the lock.
    online: the embedded server runs inside of the block, where it is the target.
    budget_s: how long all waits for the server may take together.
    under_lease: only who holds the lease of a shared state may send what changes something; False for requests that
        have nothing to do with the state.

    Raises: `StateUnusable` where git tracks what only this machine may have written; `UsageError`.
    """
    if settings.target.state_url is None:
        require_untracked(settings.target.project.root, settings.target.state_file)
    elif settings.target.named_state is None and settings.target.state_file.exists():
        from wfdeploy.wiring.shared_state import unused_file

        if (unused := unused_file(settings.target)) is not None:
            reporter.warn(*unused)
    if online and settings.ignored is not None:
        reporter.warn(*settings.ignored)

    with (
        telemetry_of(settings, command, reporter) as telemetry,
        _assembled(
            settings,
            listener,
            reporter,
            command=command,
            online=online,
            budget_s=budget_s,
            under_lease=under_lease,
            telemetry=telemetry,
        ) as assembled,
    ):
        yield assembled


@contextmanager
def _assembled(
    settings: Settings,
    listener: Listener,
    reporter: Reporter,
    *,
    command: str,
    online: bool,
    budget_s: float,
    under_lease: bool,
    telemetry: OtlpTelemetry | None,
) -> Iterator[Workspace]:
    opened: list[StateBackend] = []

    def assemble(target: Target, url: str, server: str, **more: Any) -> Workspace:
        clock = SystemClock()
        backend = _state_backend(settings, target, server, command=command, clock=clock)
        opened.append(backend)

        def gateway() -> RunGateway:
            permit = backend.permit if under_lease else None
            way = _gateway(replace(settings, target=target), url, listener, clock, budget_s=budget_s, permit=permit)
            return way if telemetry is None else telemetry.traced_gateway(way)

        return Workspace(
            target=target,
            clock=clock,
            listener=listener,
            environ=settings.environ,
            process_environ=settings.process_environ,
            state_backend=backend,
            gateway=gateway,
            webhooks=partial(_webhooks, settings) if target.project.notify else None,
            encoder=encoder,
            stdin=lambda: _read_stdin(settings),
            cwd=settings.cwd,
            telemetry=telemetry,
            **more,
        )

    try:
        target = settings.target
        if not target.local:
            from wfdeploy.upstash.endpoint import origin

            yield assemble(target, target.url, origin(target.url))
            return
        from wfdeploy.wiring.embedded import local_id, local_server, local_variables

        defaults = local_variables(settings)
        if not online:
            yield assemble(target, target.url, f"local:{local_id(settings.local_database)}", defaults=defaults)
            return
        with local_server(settings.local_database, reporter) as server:
            if server.demo_url is not None:
                defaults = {**defaults, "app_url": server.demo_url}
            target = replace(target, token=server.token)
            yield assemble(
                target,
                server.url,
                f"local:{server.server_id}",
                log_lag_s=0.0,
                defaults=defaults,
                embeds_server=server.demo_url is not None,
            )
    finally:
        for backend in opened:
            backend.close()


def warn_of_shared_names(reporter: Reporter, target: Target) -> None:
    """Report a project that shares its runs with every other one without a project file."""
    if target.local or target.project.uid is not None or target.project.file is not None:
        return
    reporter.warn(
        "there is no project file, so runs are triggered as the project 'default'; two such projects on one "
        "account would take each other's runs for their own",
        "write one: wfdeploy init",
    )


def _state_backend(settings: Settings, target: Target, server: str, *, command: str, clock: Clock) -> StateBackend:
    # An env file, which may be part of the checkout, doesn't choose the user's folder.
    if target.state_url is None:
        from wfdeploy.state.backend import SqliteBackend

        return SqliteBackend.of(target, server, command=command, environ=settings.process_environ)
    from wfdeploy.wiring.shared_state import backend_of

    return backend_of(
        target, server, command=command, clock=clock, environ=settings.environ, own_environ=settings.process_environ
    )


def _gateway(
    settings: Settings,
    url: str,
    listener: Listener,
    clock: SystemClock,
    *,
    budget_s: float,
    permit: Permit | None,
) -> RunGateway:
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

    return UpstashGateway(
        url,
        target.token,
        settings=target.project.server,
        clock=clock,
        scrubber=Scrubber(secret_values(target, settings.environ)),
        token_source=target.token_source,
        wait_budget_s=budget_s,
        listener=listener,
        permit=permit,
    )


def _webhooks(settings: Settings) -> tuple[Callable[[], Webhooks], Collection[str]]:
    from wfdeploy.wiring.webhooks import webhooks_of

    return webhooks_of(settings)


def _read_stdin(settings: Settings) -> bytes:
    if settings.stdin_taken:
        raise UsageError("standard input can't give both the token and the manifests")
    return read_stdin()


def read_stdin() -> bytes:
    """Read standard input, up to more than any file may hold. Raises: `UsageError`."""
    from wfdeploy.documents.sources import MAX_FILE_BYTES

    try:
        return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)  # its reader reports that this is too much
    except OSError as error:
        raise UsageError(f"standard input can't be read: {error.strerror or error}") from error
