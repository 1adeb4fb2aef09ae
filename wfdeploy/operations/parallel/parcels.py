"""Runs made ready to be sent by the process that reads them, so that the one that sends them has less to do.

Where there is no state, nothing was ever sent: then a run's generation is known, its id, and what the state will say.
"""

from __future__ import annotations

from typing import NamedTuple

from wfdeploy.model.address import Address
from wfdeploy.model.project import Project
from wfdeploy.model.run import DeclaredRun, DesiredRun
from wfdeploy.pipeline.identify.describe import recorded_parts
from wfdeploy.pipeline.identify.run_ids import Naming
from wfdeploy.ports import MakeEncoder


class Parcel(NamedTuple):
    """What is sent for a run that is new, its encoded item, and what the state records of it: the fields of an
    `Attempt`, its request in the two parts of `recorded_parts`. `number` as in `DesiredRun`."""

    number: int
    address: Address
    fingerprint: str
    workflow_run_id: str
    explicit_id: bool
    delay_s: int | None
    not_before_s: int | None
    delivery: str
    source: str
    own: str
    rest: str
    encoded: bytes


class Packer:
    """Makes parcels of the runs of a project."""

    def __init__(self, project: Project, encoder: MakeEncoder) -> None:
        self._encode = encoder(project.label, {})
        self._name = Naming(project.key, project.environment)
        self.declined = False
        """Whether there was a run of which it made none."""

    def __call__(self, run: DeclaredRun, desired: DesiredRun) -> Parcel | None:
        """The parcel of a run; None for one of which something is known later: a secret's value, the key of the state
        that covers what is redacted, the time of an instance."""
        request, own_id = run.request, run.workflow_run_id
        if desired.has_secrets or request.delivery.redact is not None or run.group.schedule is not None:
            self.declined = True
            return None
        run_id = self._name(run.address, desired.fingerprint, 1) if own_id is None else own_id
        return Parcel(
            desired.number,
            run.address,
            desired.fingerprint,
            run_id,
            own_id is not None,
            desired.delay_s,
            desired.not_before_s,
            desired.delivery,
            str(run.source),
            *recorded_parts(request, b""),
            self._encode(request, run_id).encoded,
        )
