"""A project as Python programs work on it: the operations of the commands, and nothing of a command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from wfdeploy.api.arguments import Paths, readable, states_of, texts_of
from wfdeploy.api.calls import Call, OnEvent
from wfdeploy.api.plan import Plan
from wfdeploy.errors import UsageError
from wfdeploy.model.options import ApplyOptions, StopFlag, TargetOptions

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from wfdeploy.api.shared_state import SharedState
    from wfdeploy.model.checks import Diagnosis
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.model.event import ApplyReport
    from wfdeploy.model.plan import Plan as MadePlan
    from wfdeploy.model.plan import Selection
    from wfdeploy.model.status import Refreshed, StatusRow
    from wfdeploy.operations.waiting import Waited
    from wfdeploy.planning.saved_plan import SavedPlan
    from wfdeploy.wiring.settings import Settings
    from wfdeploy.workspace import Workspace

T = TypeVar("T")

Confirm: TypeAlias = Callable[[Plan], bool]
"""Shown a plan; False declines it."""

_USUAL = ApplyOptions()


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

    def validate(self, *, paths: Paths | None = None, on_event: OnEvent | None = None) -> tuple[Diagnostic, ...]:
        """Find every problem of manifests and project file, in all environments where none is chosen.

        paths: folders and files to read in place of the project's manifests.
        """
        from wfdeploy.wiring.validation import Validation, problems

        call = Call(on_event)

        def work() -> tuple[Diagnostic, ...]:
            validation = Validation(
                options=self._options,
                environ=self._environ,
                cwd=self.folder,
                paths=readable(paths),
                variables=self._variables,
                listener=call,
            )
            return tuple(problems(validation))

        return call.run(work)

    def plan(
        self,
        *,
        targets: Iterable[str] = (),
        replace: Iterable[str] = (),
        limit: int | None = None,
        prune: bool = False,
        refresh: Literal["auto", "all", "off"] = "auto",
        paths: Paths | None = None,
        offline: bool = False,
        on_event: OnEvent | None = None,
    ) -> Plan:
        """Find out what `apply` would do. Nothing is changed anywhere.

        targets: only addresses that match one of these (`*` and `?`; brackets are literal).
        replace: addresses to trigger again although nothing changed.
        limit: at most so many runs, first by address.
        prune: forget recorded runs that are no longer declared.
        refresh: which recorded runs to inspect first: those whose state decides something, all, or none.
        paths: folders and files to read in place of the project's manifests.
        offline: don't contact the server. Such a plan is unverified, and can't be applied.
        """
        from wfdeploy.operations import plan as operation
        from wfdeploy.wiring.assembly import warn_of_shared_names

        selection = self._selection(targets, replace=replace, limit=limit, prune=prune, refresh=refresh)
        call, chosen = Call(on_event), readable(paths)

        def work(workspace: Workspace) -> Plan:
            warn_of_shared_names(call, workspace.target)
            new_state = not workspace.has_state
            with operation.planned(
                workspace, paths=chosen, selection=selection, offline=offline, keep_all=False
            ) as made:
                return Plan.of(made, folder=self.folder, selection=selection, paths=chosen, new_state=new_state)

        return self._do(call, "plan", work, online=not offline)

    def apply(
        self,
        plan: Plan | None = None,
        *,
        targets: Iterable[str] = (),
        replace: Iterable[str] = (),
        limit: int | None = None,
        prune: bool = False,
        refresh: Literal["auto", "all", "off"] = "auto",
        paths: Paths | None = None,
        options: ApplyOptions = _USUAL,
        confirm: Confirm | None = None,
        on_event: OnEvent | None = None,
        stop: StopFlag | None = None,
    ) -> ApplyReport:
        """Trigger what is declared and missing, exactly once; repeat it at any time.

        plan: what to do, exactly. It is made anew and compared: `StalePlan` is raised when manifests, state or server
            have moved on. Without it, what is to be done is found out now; the arguments up to `paths` are those of
            `plan` then.
        options: limits, how to send, and whether to wait. What needs to be allowed (many runs triggered again, many
            cancelled) is allowed here: `Withheld` is raised otherwise, before anything is sent.
        confirm: shown the plan before anything is sent. `Withheld` is raised when it gives False. Without it, nobody is
            asked.
        on_event: takes events as they happen. What it raises stops the apply, and is raised once that has ended.
        stop: raise it, in any thread, to begin no more requests. Those in flight are finished and recorded.

        Raises: as all methods; `Withheld`, `StalePlan`; `Interrupted` when it is stopped before anything was sent.
        """
        saved: SavedPlan | None = None
        if plan is not None:
            if targets or replace or limit is not None or prune or refresh != "auto" or paths is not None:
                raise UsageError("a plan already says what it is about", hint="make a new plan with these arguments")
            saved = plan._saved()
            selection, chosen = saved.selection, saved.paths
        else:
            selection = self._selection(targets, replace=replace, limit=limit, prune=prune, refresh=refresh)
            chosen = readable(paths)
        call = Call(on_event, stop)
        return self._apply(call, "apply", selection, options, confirm, paths=chosen, saved=saved)

    def cancel(
        self,
        *globs: str,
        labels: Iterable[str] = (),
        run_states: Iterable[str] = (),
        options: ApplyOptions = _USUAL,
        confirm: Confirm | None = None,
        on_event: OnEvent | None = None,
        stop: StopFlag | None = None,
    ) -> ApplyReport:
        """Cancel recorded runs that are still going. They stay recorded: no policy starts them again.

        globs, labels, run_states: which runs; at least one must be given. States, as in `["failed"]`, are those on the
            server, or the recorded one of a run that its logs don't show.

        The other arguments are those of `apply`.
        """
        selection = self._requested("cancel", globs, labels, run_states)
        return self._apply(Call(on_event, stop), "cancel", selection, options, confirm)

    def resume(
        self,
        *globs: str,
        labels: Iterable[str] = (),
        run_states: Iterable[str] = (),
        options: ApplyOptions = _USUAL,
        confirm: Confirm | None = None,
        on_event: OnEvent | None = None,
        stop: StopFlag | None = None,
    ) -> ApplyReport:
        """Resume failed runs where they failed. Finished steps are not repeated. Arguments: as `cancel`."""
        selection = self._requested("resume", globs, labels, run_states)
        return self._apply(Call(on_event, stop), "resume", selection, options, confirm)

    def restart(
        self,
        *globs: str,
        labels: Iterable[str] = (),
        run_states: Iterable[str] = (),
        options: ApplyOptions = _USUAL,
        confirm: Confirm | None = None,
        on_event: OnEvent | None = None,
        stop: StopFlag | None = None,
    ) -> ApplyReport:
        """Start failed, cancelled or vanished runs again, from the beginning, as they are declared now.

        Arguments: as `cancel`.
        """
        selection = self._requested("restart", globs, labels, run_states)
        return self._apply(Call(on_event, stop), "restart", selection, options, confirm)

    def retrigger(
        self,
        *globs: str,
        labels: Iterable[str] = (),
        run_states: Iterable[str] = (),
        options: ApplyOptions = _USUAL,
        confirm: Confirm | None = None,
        on_event: OnEvent | None = None,
        stop: StopFlag | None = None,
    ) -> ApplyReport:
        """Trigger declared runs again, whatever their state. Arguments: as `cancel`."""
        selection = self._requested("retrigger", globs, labels, run_states)
        return self._apply(Call(on_event, stop), "retrigger", selection, options, confirm)

    def status(
        self,
        *globs: str,
        labels: Iterable[str] = (),
        run_states: Iterable[str] = (),
        offline: bool = False,
        on_event: OnEvent | None = None,
    ) -> tuple[StatusRow, ...]:
        """List recorded runs with their live state, by address.

        globs: only addresses that match one of these (`*` and `?`; brackets are literal). labels: only runs with one of
        these. run_states: only runs in one of these live states, as in `["running", "failed"]`. Offline, or without a
        token, runs are shown as they were last observed.
        """
        from wfdeploy.operations.status import status

        chosen = globs, texts_of(labels), states_of(run_states)
        return self._do(Call(on_event), "status", lambda there: tuple(status(there, *chosen, offline=offline)))

    def wait(
        self,
        *globs: str,
        labels: Iterable[str] = (),
        run_states: Iterable[str] = (),
        until: Literal["succeeded", "finished"] = "succeeded",
        timeout_s: float = 3600.0,
        on_event: OnEvent | None = None,
        stop: StopFlag | None = None,
    ) -> Waited:
        """Wait until recorded runs have succeeded, or have ended in any way. Nothing is changed.

        globs, labels, run_states: which runs, as in `status`; all without any. States are those in which the runs are
            as the wait begins.

        It ends too when none of them is running any more, when the time is over, and when `stop` is raised: `fulfilled`
        is False then.
        """
        from wfdeploy.model.blocking import Condition
        from wfdeploy.operations.waiting import wait

        call, chosen, states, condition = (
            Call(on_event, stop),
            texts_of(labels),
            states_of(run_states),
            Condition(until),
        )
        return self._do(
            call,
            "wait",
            lambda workspace: wait(
                workspace, globs, chosen, states, condition=condition, timeout_s=timeout_s, stop=call.stop
            ),
        )

    def refresh(
        self,
        *globs: str,
        labels: Iterable[str] = (),
        lock_timeout_s: float = 0.0,
        on_event: OnEvent | None = None,
    ) -> Refreshed:
        """Update the recorded run states from the server. Nothing is triggered, and nothing cancelled.

        globs, labels: which runs, as in `status`; all without any.
        lock_timeout_s: how long to wait for the lock of the state.
        """
        from wfdeploy.operations.refresh import refresh

        call, chosen = Call(on_event), texts_of(labels)
        return self._do(
            call, "refresh", lambda workspace: refresh(workspace, globs, chosen, lock_timeout_s=lock_timeout_s)
        )

    def doctor(
        self, *, probe: bool = False, destination: str | None = None, on_event: OnEvent | None = None
    ) -> Diagnosis:
        """Check the set-up: files, git, state, lock, server, token, clocks, limits. Nothing is changed.

        probe: also try the server on what the guarantees assume of it, with at most five runs, which are cancelled.
        destination: where one of them is delivered at once; without it, all are delayed by an hour.

        What is wrong is a check of the result, and not raised.
        """
        from wfdeploy.operations.probing import ProbeOptions
        from wfdeploy.operations.probing import probe as try_out
        from wfdeploy.wiring.assembly import workspace
        from wfdeploy.wiring.diagnosis import Where, diagnose

        if destination is not None and not probe:
            raise UsageError("a destination is for a probe", hint="probe=True")
        options = ProbeOptions(destination=destination)
        call = Call(on_event)
        where = Where(options=self._options, environ=self._environ, cwd=self.folder, variables=self._variables)

        def open_(settings: Settings, online: bool) -> AbstractContextManager[Workspace]:
            return workspace(settings, call, call, command="Project.doctor in Python", online=online, under_lease=False)

        return call.run(lambda: diagnose(where, call, open_, partial(try_out, options=options) if probe else None))

    @property
    def shared_state(self) -> SharedState:
        """The state that many machines share: begun, looked at, copied, unlocked."""
        from wfdeploy.api.shared_state import SharedState

        return SharedState(self._do, _local=self._options.local)

    def _requested(self, action: str, globs: Sequence[str], labels: Iterable[str], states: Iterable[str]) -> Selection:
        from wfdeploy.model.plan import RequestedAction, Selection

        return Selection(
            targets=tuple(globs),
            labels=texts_of(labels),
            run_states=states_of(states),
            requested=RequestedAction(action),
            variables=self._variables,
        )

    def _apply(
        self,
        call: Call,
        name: str,
        selection: Selection,
        options: ApplyOptions,
        confirm: Confirm | None,
        *,
        paths: Sequence[str] | None = None,
        saved: SavedPlan | None = None,
    ) -> ApplyReport:
        from wfdeploy.model.options import ApplyRequest
        from wfdeploy.operations.apply import apply
        from wfdeploy.wiring.assembly import warn_of_shared_names

        def consents(workspace: Workspace, made: MadePlan) -> bool:
            if confirm is None:
                return True
            plan = Plan.of(
                made, folder=self.folder, selection=selection, paths=paths, new_state=not workspace.has_state
            )
            return call.ask(lambda: confirm(plan))

        def work(workspace: Workspace) -> ApplyReport:
            if selection.requested is None:
                warn_of_shared_names(call, workspace.target)
            request = ApplyRequest(
                selection=selection, options=options, confirm=partial(consents, workspace), stop=call.stop
            )
            return apply(workspace, request, paths=paths, saved=saved)

        return self._do(call, name, work, budget_s=options.timeout_s)

    def _do(
        self,
        call: Call,
        name: str,
        use: Callable[[Workspace], T],
        *,
        online: bool = True,
        budget_s: float = 300.0,
    ) -> T:
        """Run an operation in a workspace that is open for as long as that takes."""

        def work() -> T:
            from wfdeploy.wiring.assembly import workspace
            from wfdeploy.wiring.settings import resolve

            settings = resolve(self._options, self._environ, cwd=self.folder)
            with workspace(
                settings, call, call, command=f"Project.{name} in Python", online=online, budget_s=budget_s
            ) as opened:
                return use(opened)

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

        return Selection(
            targets=texts_of(targets),
            replace=texts_of(replace),
            limit=limit,
            prune=prune,
            refresh=Refresh(refresh),
            variables=self._variables,
        )
