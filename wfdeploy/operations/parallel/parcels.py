"""Runs made ready to be sent by the process that reads them, so that the one that sends them has less to do.

Where there is no state, nothing was ever sent: then a run's generation is known, its id, and what the state will say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

from wfdeploy.model.address import Address, group_of
from wfdeploy.model.alike import DeclaredAlike, DesiredAlike
from wfdeploy.model.project import Project
from wfdeploy.model.run import DeclaredRun, DesiredRun
from wfdeploy.model.tally import term
from wfdeploy.pipeline.identify.describe import Recorder
from wfdeploy.pipeline.identify.run_ids import Naming
from wfdeploy.ports import MakeEncoder


class Parcel(NamedTuple):
    """What is sent for a run that is new, its encoded item, and what the state records of it: the fields of an
    `Attempt`, its request in two parts, of which other runs share the second. `number` as in `DesiredRun`."""

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
    end: str
    encoded: bytes


class Crate(NamedTuple):
    """Parcels by column: what each has of their fields. `shifts`: by group, how many they are and the sum of their
    terms (`tally.py`)."""

    number: Sequence[int]
    address: Sequence[Address]
    fingerprint: Sequence[str]
    workflow_run_id: Sequence[str]
    explicit_id: Sequence[bool]
    delay_s: Sequence[int | None]
    not_before_s: Sequence[int | None]
    delivery: Sequence[str]
    source: Sequence[str]
    own: Sequence[str]
    end: Sequence[str]
    encoded: Sequence[bytes]
    shifts: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, parcels: Sequence[Parcel]) -> Crate:
        """A crate of one parcel or more."""
        shifts: dict[str, tuple[int, int]] = {}
        for parcel in parcels:
            group = group_of(parcel.address)
            count, total = shifts.get(group, (0, 0))
            value = term(parcel.address, parcel.fingerprint, parcel.delivery)
            shifts[group] = count + 1, total + value
        return cls._make((*zip(*parcels, strict=True), shifts))

    def parcels(self) -> list[Parcel]:
        """What it was made of."""
        return list(map(Parcel._make, zip(*self[:-1], strict=True)))


class Packer:
    """Makes parcels of the runs of a project."""

    def __init__(self, project: Project, encoder: MakeEncoder) -> None:
        self._encoder = encoder(project.label, {})
        self._name = Naming(project.key, project.environment)
        self._record = Recorder()
        self.declined = False
        """Whether there was a run of which it made none."""

    def __call__(self, run: DeclaredRun, desired: DesiredRun) -> Parcel | None:
        """The parcel of a run; None for one of which something is known later: a secret's value, the key of the state
        that covers what is redacted, the time of an instance."""
        request, own_id = run.request, run.workflow_run_id
        if desired.has_secrets or request.delivery.redact is not None or run.group.schedule is not None:
            self.declined = True
            return None
        derived_id = self._name(run.address, desired.fingerprint, 1)
        run_id, label = (derived_id, "") if own_id is None else (own_id, derived_id)
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
            *self._record(request, b""),
            self._encoder.encode(request, run_id, label).encoded,
        )

    def together(self, runs: DeclaredAlike, desired: DesiredAlike) -> list[Parcel] | None:
        """The parcels of runs that are alike; None where it isn't known of all that they can be made."""
        if any(model.delivery.redact is not None for model in runs.distinct_models):
            return None
        delays, starts, secrets, deliveries = zip(*desired.shared, strict=True)
        if any(secrets):
            return None
        run_ids = self._name.together(runs.addresses, desired.fingerprints, 1)
        own, ends = zip(*self._record.together(runs), strict=True)
        columns = desired.numbers, runs.addresses, desired.fingerprints, run_ids, repeat(False), delays, starts
        sources = map(str, runs.sources)
        encoded = self._encoder.encode_together(runs, run_ids)
        return list(map(Parcel._make, zip(*columns, deliveries, sources, own, ends, encoded, strict=False)))
