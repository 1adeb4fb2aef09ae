"""Workflow run ids that authors gave, against runs of the server that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.manifests.identify.run_ids import Naming, parse_attempt
from wfdeploy.model.address import Address, shell_pattern
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.plan import Change
from wfdeploy.model.project import Project
from wfdeploy.model.remote import ObservedRun
from wfdeploy.model.state import Attempt, Record, RecordKey
from wfdeploy.model.workflow_id import derived_id, id_key, own_id
from wfdeploy.ports import RecordReader


def taken_ids(changes: Iterable[Change], unmatched: Iterable[ObservedRun], declared: Catalogue) -> list[Diagnostic]:
    """What would be triggered under an id that a run of this project has of which nothing tells what it did.

    It may be the very run that is declared, an edited one, or one of another address: neither triggering nor adopting
    it would be right in all of these cases.
    """
    unknown = {id_key(run.workflow_run_id) for run in unmatched if _tells_nothing(run)}
    if not unknown or unknown.isdisjoint(id_key(run.workflow_run_id or "") for run in declared.with_own_ids()):
        return []
    return [
        Diagnostic(
            code="taken-run-id",
            message=f"the server has a run with the workflowRunId {run.workflow_run_id}, and neither the state nor the "
            "run's labels tell whether it is this one",
            place=run.source.place,
            address=run.address,
            hint=f"if it is, record it as triggered: wfdeploy adopt --target {shell_pattern(run.address)}; "
            "else give this one another workflowRunId",
        )
        for change in changes
        if change.sends
        and not change.resumes
        and (run := change.desired) is not None
        and run.workflow_run_id is not None
        and id_key(run.workflow_run_id) in unknown
    ]


def _tells_nothing(run: ObservedRun) -> bool:
    return derived_id(run) is None and parse_attempt(run.labels) is None


class AttemptNames:
    """What the run of an attempt is found by in a listing. `store` gives the state, which may be made meanwhile,
    `origins` the former names of an address."""

    def __init__(
        self, project: Project, store: Callable[[], RecordReader], origins: Callable[[str], Iterable[str]]
    ) -> None:
        self._name = Naming(project.key, project.environment)
        self._store = store
        self._origins = origins
        self._tombstones: dict[tuple[str, int], list[str]] | None = None

    def __call__(self, attempt: Attempt) -> list[str]:
        if not attempt.explicit_id:
            return self._name.of_attempt(attempt)
        # It may have gone out under a name that nothing but a tombstone remembers: a rename leaves one.
        former = self._former_names().get((attempt.fingerprint, attempt.generation), ())
        return self._name.of_attempt(attempt, (*self._origins(attempt.address), *former))

    def of_new(self, attempt: Attempt) -> str:
        """The derived id that an attempt with an author's id goes out under; empty for another one."""
        return self._name.of_attempt(attempt)[0] if attempt.explicit_id else ""

    def _former_names(self) -> dict[tuple[str, int], list[str]]:
        if self._tombstones is None:
            self._tombstones = {}
            for address, fingerprint, generation in self._store().tombstones():
                self._tombstones.setdefault((fingerprint, generation), []).append(address)
        return self._tombstones


class TakenOver:
    """Whether a later record has the workflow run id of a record. Then the run of the earlier one has ended: until that
    the server gives its id to no other run.

    `renamed` gives the address that a recorded one has now, `record` the record of such an address.
    """

    def __init__(
        self, store: RecordReader, renamed: Callable[[Address], Address], record: Callable[[str], Record | None]
    ) -> None:
        self._store = store
        self._renamed = renamed
        self._record = record

    def __call__(self, key: RecordKey) -> bool:
        if own_id(key.workflow_run_id) is None:
            return False
        began_ms = self._began_ms(key.address)
        return any(self._began_ms(other) > began_ms for other in self._shared.get(key.workflow_run_id, ()))

    def _began_ms(self, address: str) -> int:
        record = self._record(address)
        return 0 if record is None else record.created_at_ms or record.recorded_at_ms

    @cached_property
    def _shared(self) -> dict[str, list[Address]]:
        """The ids that more than one record has, with the addresses of these."""
        found: dict[str, list[Address]] = {}
        for key in self._store.record_keys():
            if own_id(key.workflow_run_id) is not None:
                found.setdefault(key.workflow_run_id, []).append(self._renamed(key.address))
        return {run_id: addresses for run_id, addresses in found.items() if len(addresses) > 1}
