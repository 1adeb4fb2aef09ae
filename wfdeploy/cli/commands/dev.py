"""`wfdeploy dev`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command, Option, offering
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from wfdeploy.cli.output import App


@click.command(
    "dev",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy dev                       where the JavaScript SDK looks with QSTASH_DEV=true
        wfdeploy dev --port 0              on any free port
        wfdeploy dev --time-scale 3600     an hour passes in a second
        wfdeploy dev --plan free           1,000 steps a day, 10 at once, delays of a week at most
        wfdeploy dev & wfdeploy apply --local
    """,
)
@click.option(
    "--port",
    cls=Option,
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=8080,
    help="Port to listen on; 0: any free one.  [default: 8080]",
)
@click.option(
    "--db",
    metavar="FILE",
    shell_complete=offering("files"),
    help="Database of the runs.  [default: .wfdeploy/local-server.db beside the project file]",
)
@click.option(
    "--time-scale",
    cls=Option,
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    default=1,
    help="Run the server's clock N times as fast: delays, sleeps, timeouts and retries take that much less.",
)
@click.option(
    "--plan",
    type=click.Choice(["free", "payg", "fixed"]),
    help="Enforce the limits of this plan of the hosted service.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Fail a run whose endpoint ignores the handshake of REST triggers, as the Python SDK does. Whether the hosted"
    " service runs it isn't known; without --strict there is a warning.",
)
@options.log
def dev(app: App, *, port: int, db: str | None, time_scale: float, plan: str | None, strict: bool) -> None:
    """Run a local server that speaks the Workflow API.

    For development and tests: it delivers runs to your workflow endpoints over HTTP, signed as the service signs, so
    endpoints built with the official SDKs run unchanged. It listens on this machine only, has published credentials,
    and includes a demo workflow. A browser at its address shows the runs, step by step. Commands with --local use it
    while it runs. ^C stops it; deliveries that are still due are kept.
    """
    from pathlib import Path

    from wfdeploy.cli import surroundings
    from wfdeploy.files.bounds import Bounds
    from wfdeploy.project.file import locate_project_file
    from wfdeploy.wiring import embedded
    from wfdeploy.wiring.checkout import require_as_named, require_untracked
    from wfdeploy.wiring.settings import LOCAL_DATABASE, as_typed

    try:
        from wfdeploy.localserver.clock import MachineClock
        from wfdeploy.localserver.delivery.engine import MAX_OPEN
        from wfdeploy.localserver.fault_plan import FaultPlan, Handshakes
        from wfdeploy.localserver.runs.quotas import LOCAL, PLANS
        from wfdeploy.localserver.serve import LocalServer, serve_forever
        from wfdeploy.localserver.tenants import banner
    except ModuleNotFoundError as error:
        raise embedded.missing_extra() from error

    cwd = Path.cwd()
    project_file = locate_project_file(cwd=cwd)
    root = cwd if project_file is None else project_file.parent
    database = cwd / db if db is not None else root / LOCAL_DATABASE
    if db is not None:
        require_as_named("the database", db, folder=cwd, bounds=Bounds.around(root))
    require_untracked(root, database)

    def greet(server: LocalServer) -> None:
        embedded.remember_demo(database, server.demo_url)
        shown = as_typed(str(database), cwd)
        app.output.payload(
            banner(
                url=server.url,
                demo_url=server.demo_url,
                database=shown,
                tenant=server.tenant,
                time_scale=time_scale,
                plan=plan,
            )
            + "\n"
        )

    limits = LOCAL if plan is None else PLANS[plan]
    server = LocalServer(
        database,
        port=port,
        faults=FaultPlan(plan=limits, handshakes=Handshakes.STRICT if strict else Handshakes.KNOWN),
        max_open_deliveries=limits.parallelism or MAX_OPEN,
        clock=MachineClock(scale=time_scale),
        demo=True,
        demo_port=embedded.demo_port(database),
        demo_patience_s=embedded.demo_patience_s(database),
        announce=True,
    )
    with surroundings.library_logs(app.output):
        serve_forever(server, on_ready=greet)
    app.output.note("stopped")
