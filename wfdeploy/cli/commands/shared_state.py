"""`wfdeploy state`: the commands that only make sense for a state which many machines share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command, offering
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfdeploy.cli.output import App
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.model.project import Target
    from wfdeploy.state.shared.holding import Holding
    from wfdeploy.state.shared.lease_content import Holder


@click.command(
    "init",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state init -e production     at the URL that the project file names
        wfdeploy state init s3://acme-ops/wfdeploy/production -e production
        wfdeploy state init 'postgresql://db.example.com/ops?prefix=wfdeploy/production' -e production
    """,
)
@click.argument("place", metavar="[URL]", required=False)
@options.target
@options.log
def init(app: App, target: TargetOptions, place: str | None) -> None:
    """Begin a shared state in a bucket or a database.

    Checks first that the store keeps what a shared state needs: of several writers that create one object, one wins.
    Warns of rules of a bucket that would delete objects of the state, where the credentials may read them.
    A place that holds a state, or a part of one, is refused. To begin with the state that you have, use
    `wfdeploy state migrate`.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.wiring import shared_state

    if place is not None:
        if target.state is not None and target.state != place:
            raise click.UsageError("The URL and --state name two places.")
        target = replace(target, state=place)
    # The embedded server gets its identity when it first runs.
    with surroundings.opened(app, target, online=target.local) as workspace:
        shared_state.begin(workspace)
        chosen, warnings = workspace.target, shared_state.setup_warnings(workspace)
    output = app.output
    for message, hint in warnings:
        output.warn(message, hint)
    output.note(f"A state begins at {chosen.state_name}. The first apply adopts what the server's logs still know.")
    if place is not None:
        output.note(_advice(chosen))


@click.command(
    "holder",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state holder -e production
        wfdeploy state holder -e production --output json | jq '.held'
    """,
)
@options.target
@options.view
def holder(app: App, target: TargetOptions) -> None:
    """Show who holds the lease of a shared state.

    Whoever holds it may change the state and send; others wait. Also shown: how long it has not been renewed, by the
    clock of the store, and whether the state may lack something that was triggered.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.render.encode import dump
    from wfdeploy.wiring import shared_state

    with surroundings.opened(app, target, online=False) as workspace:
        found = shared_state.holding(workspace)
    app.output.show(dump(_as_json(found)) + "\n", _lines(found))


@click.command(
    "unlock",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.WITHHELD),
    examples="""
        wfdeploy state unlock -e production
        wfdeploy state unlock -e production --yes
    """,
)
@options.yes("always")
@options.target
@options.log
def unlock(app: App, target: TargetOptions, yes: bool) -> None:
    """Take the lease away from a holder that is gone.

    Shows the holder and asks. Rarely needed: an apply takes over by itself from a holder that has not renewed the lease
    for two minutes. If the holder has renewed it since it was shown, nothing is changed.

    The holder may still be sending what it has begun. So the next apply waits two minutes and server.logLag before it
    triggers anything.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.cli.confirm import agreed
    from wfdeploy.errors import Withheld
    from wfdeploy.wiring import shared_state

    with surroundings.opened(app, target, online=False) as workspace:
        found = shared_state.holding(workspace)
        if found.is_held:
            app.output.block("".join(_lines(found)), always=app.output.can_ask and not yes)
            if not agreed(app, "Take the lease away?", "take the lease away", yes=yes):
                raise Withheld("declined: nothing was changed")
        shared_state.unlock(workspace, found)
    app.output.note(
        "The lease is free. The next apply waits two minutes and server.logLag before it triggers anything, since the "
        "former holder may still be sending."
    )


@click.command(
    "pull",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state pull -e production backup.db
        wfdeploy state list --state backup.db -e production
    """,
)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False), shell_complete=offering("files"))
@options.target
@options.log
def pull(app: App, target: TargetOptions, file: str) -> None:
    """Copy a shared state to a file.

    The file is a state of its own, for --state FILE. It does not follow the shared one: look at it, or keep it, but
    don't apply with it. A file that exists is never replaced.
    """
    from pathlib import Path

    from wfdeploy.cli import surroundings
    from wfdeploy.wiring import shared_state

    with surroundings.opened(app, target, online=False) as workspace:
        serial = shared_state.pull(workspace, Path(file))
    app.output.note(f"{file} holds the state as of entry {serial}")


@click.command(
    "migrate",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state migrate -e production --to s3://acme-ops/wfdeploy/production
        wfdeploy state migrate -e production --from .wfdeploy/state/production.db    to the URL of the project file
        wfdeploy state migrate -e production --to s3://acme-ops/wfdeploy/production --abort
    """,
)
@click.option("--to", metavar="URL", help="Where the state is to go: a URL, or the path of a file.")
@click.option("--from", "origin", metavar="PLACE", help="Where the state is now: the path of a file, or a URL.")
@click.option("--abort", is_flag=True, help="Abort a move that was interrupted: the state stays where it is.")
@options.target
@options.log
def migrate(app: App, target: TargetOptions, to: str | None, origin: str | None, abort: bool) -> None:
    """Move the state to a bucket or a database, or back.

    With --to, the project's state (or that of --state) moves there; with --from, it moves from there to the place that
    the project file names. The state is marked as moving, copied, read back and compared, and then opened at the new
    place in one step. What is left at the old place says where the state has gone.

    Meanwhile no place can be used. If the command is interrupted, run it again, or abort the move with --abort: exactly
    one of the two wins. A place where a move was aborted is used up; choose another one.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.wiring import shared_state

    place = to if to is not None else origin
    if place is None or (to is not None and origin is not None):
        raise click.UsageError("Give either --to or --from.")
    named = replace(target, state=place)
    one, other = (target, named) if to is not None else (named, target)
    output = app.output

    def on_wait(holder: str) -> None:
        output.note(f"waiting for the lock of the state, held by {holder}")

    with (
        surroundings.opened(app, one, online=False) as source,
        surroundings.opened(app, other, online=False) as goal,
    ):
        if abort:
            shared_state.abort_migration(source, goal, on_wait=on_wait)
            output.note(f"Aborted. The state is at {source.target.state_name}, as before.")
            return
        has_moved = shared_state.migrate(source, goal, on_wait=on_wait)
        names = f"{source.target.state_name} to {goal.target.state_name}"
    output.note(f"The state has moved from {names}." if has_moved else f"The state had already moved from {names}.")
    if to is not None:
        output.note(_advice(goal.target))


def _advice(target: Target) -> str:
    """What to write into the project file, so that every command uses this place."""
    if target.state_url is None:
        return f"Take state.url out of the project file, or give every command --state {target.state_name}"
    project = target.project
    lines = ["state:", f"  url: {target.state_name}"]
    if project.environment != "default":
        lines = ["environments:", f"  {project.environment}:", *(f"    {line}" for line in lines)]
    text = "".join(f"\n  {line}" for line in ["spec:", *(f"  {line}" for line in lines)])
    return f"Every command uses it once this is in {project.file or 'wfdeploy.yaml'}:{text}"


def _as_json(found: Holding) -> dict[str, Any]:
    content = found.content
    holder = None if content is None else content.holder
    unlocked = None if content is None else content.unlocked
    return {
        "formatVersion": 1,
        "held": found.is_held,
        "holder": None if holder is None else _holder_fields(holder),
        "takenAtMs": None if content is None else content.taken_at_ms,
        "unlockedBy": None if unlocked is None else _holder_fields(unlocked.by),
        "unlockedAtMs": None if unlocked is None else unlocked.at_ms,
        "unchangedSeconds": None if found.unchanged_s is None else round(found.unchanged_s, 1),
        "lifeSeconds": None if content is None else content.life_s,
        "seemsGone": found.seems_over,
        "suspect": (content.suspect or None) if content is not None else None,
        "formerHolderMaySend": content is not None and content.stray,
        "lastEntry": found.last_entry,
    }


def _holder_fields(holder: Holder) -> dict[str, Any]:
    return {
        "host": holder.host,
        "user": holder.user,
        "pid": holder.pid,
        "command": holder.command,
        "job": holder.job or None,
    }


def _lines(found: Holding) -> Iterator[str]:
    from wfdeploy.render.terminal import printable
    from wfdeploy.state.shared.lease_content import holder_of, utc

    content = found.content
    if found.stored is None:
        yield "free: nobody has taken the lease yet\n"
    elif content is None:
        yield "held: the lease can't be read, so it counts as held\n"
    elif found.is_held:
        yield f"held by {printable(str(content.holder))}\n"
        if content.taken_at_ms is not None:
            yield f"since {utc(content.taken_at_ms)}\n"
    elif content.unlocked is not None:
        yield f"free; unlocked by {printable(str(content.unlocked))}\n"
        if content.holder is not None:
            yield f"last held by {printable(holder_of(content))}\n"
    elif content.holder is not None:
        yield f"free; last held by {printable(str(content.holder))}\n"
    if found.is_held:
        if found.unchanged_s is not None:
            gone = "; it seems to be gone" if found.seems_over else ""
            yield f"renewed {found.unchanged_s:.0f} s ago by the clock of the store{gone}\n"
        else:
            yield "when it was last renewed is not known\n"
    if content is not None and content.suspect:
        yield f"suspect: {printable(content.suspect)}\n"
        yield "the next apply waits, and reads the server's logs, before it triggers anything\n"
    yield "no log: there is no state\n" if found.last_entry is None else f"log: up to entry {found.last_entry}\n"
