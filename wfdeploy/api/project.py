"""A project as Python programs work on it: the operations of the command line, without a command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wfdeploy.api.calls import Call, OnEvent
from wfdeploy.api.plan import Plan
from wfdeploy.errors import UsageError
from wfdeploy.model.options import TargetOptions

if TYPE_CHECKING:
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.model.plan import Selection
    from wfdeploy.wiring.settings import Settings
    from wfdeploy.workspace import Workspace


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
    """The project in a folder.

    No manifest is read yet: each operation reads what is there when it begins, as a command would.

    path: the folder to work in, as a shell's working directory, or a project file. `wfdeploy.yaml` is searched for in
        the folder and above it. Other paths are relative to this folder.
    environment: the environment of the project file to work on (`-e`).
    local: work on a server that is embedded in this process, for as long as an operation takes (`--local`).
    url: the server to talk to (`--url`).
    token: the token itself. Without it, the environment variable is read that the project file names.
    state: the state file (`--state`).
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project, and what to work on in it. Made by `load`.

    Each method is an operation of its own, as a command is: it reads the files, opens the state, and closes it. Methods
    block until they are done. They may be called from several threads, and where an event loop runs. What a method is
    given to call back, it calls in the thread that called it.

    All methods raise: `UsageError` for arguments that make no sense; `InvalidInput` for files that are wrong;
    `StateError` for a state that can't be used, `StateLocked` among them; `RemoteFailure`.
    """

    folder: Path

    environment: str | None

    _options: TargetOptions = field(repr=False)

    _variables: Mapping[str, str] = field(repr=False)

    _environ: Mapping[str, str] = field(repr=False)

    def validate(
        self, *, paths: Sequence[str] | None = None, on_event: OnEvent | None = None
    ) -> tuple[Diagnostic, ...]:
        """Every problem of manifests and project file, warnings included; of all environments where none is chosen.

        paths: folders and files to read in place of the project's manifests.
        """
        from wfdeploy.wiring.validation import problems

        call = Call(on_event)
        return call.run(
            lambda: tuple(
                problems(
                    self._options,
                    self._environ,
                    cwd=self.folder,
                    paths=_readable(paths),
                    variables=self._variables,
                    listener=call,
                )
            )
        )

    def plan(
        self,
        *,
        targets: Iterable[str] = (),
        replace: Iterable[str] = (),
        limit: int | None = None,
        prune: bool = False,
        refresh: Literal["auto", "all", "off"] = "auto",
        paths: Sequence[str] | None = None,
        offline: bool = False,
        on_event: OnEvent | None = None,
    ) -> Plan:
        """What `apply` would do. Nothing is changed anywhere.

        targets: only addresses that match one of these (`*` and `?`; brackets are literal).
        replace: addresses to trigger again although nothing changed.
        limit: at most so many runs, first by address.
        prune: forget recorded runs that are no longer declared.
        refresh: which recorded runs to inspect first: those whose state decides something, all, or none.
        paths: folders and files to read in place of the project's manifests.
        offline: don't contact the server. Such a plan is unverified, and can't be applied.
        """
        from wfdeploy.operations import plan as operation

        selection = self._selection(targets, replace=replace, limit=limit, prune=prune, refresh=refresh)
        call = Call(on_event)

        def work() -> Plan:
            with self._workspace(call, "plan", online=not offline) as workspace:
                new_state = not workspace.has_state
                with operation.planned(
                    workspace, paths=_readable(paths), selection=selection, offline=offline, keep_all=False
                ) as made:
                    return Plan.of(made, selection=selection, paths=paths, new_state=new_state)

        return call.run(work)

    def _selection(
        self,
        targets: Iterable[str],
        *,
        replace: Iterable[str] = (),
        limit: int | None = None,
        prune: bool = False,
        refresh: str = "auto",
    ) -> Selection:
        from wfdeploy.model.plan import Refresh, Selection

        if isinstance(targets, str) or isinstance(replace, str):
            raise UsageError("addresses are given as a list of texts, not as one text")
        if limit is not None and limit < 1:
            raise UsageError("limit is at least 1")
        return Selection(
            targets=tuple(targets),
            replace=tuple(replace),
            limit=limit,
            prune=prune,
            refresh=Refresh(refresh),
            variables=self._variables,
        )

    @contextmanager
    def _workspace(
        self, call: Call, operation: str, *, online: bool = True, budget_s: float = 300.0
    ) -> Iterator[Workspace]:
        from wfdeploy.wiring.assembly import warn_of_shared_names, workspace

        settings = self._settings()
        warn_of_shared_names(call, settings.target)
        with workspace(
            settings, call, call, command=f"Project.{operation} in Python", online=online, budget_s=budget_s
        ) as opened:
            yield opened

    def _settings(self) -> Settings:
        from wfdeploy.wiring.settings import resolve

        return resolve(self._options, self._environ, cwd=self.folder)


def _readable(paths: Sequence[str] | None) -> Sequence[str] | None:
    """Paths that an operation may read. Raises: `UsageError` for standard input, which is the program's own."""
    if isinstance(paths, str):
        raise UsageError("paths are given as a list of texts, not as one text")
    if paths is not None and "-" in paths:
        raise UsageError("standard input is read by the command alone", hint="name a file")
    return paths or None
