"""Read the server's listing: which of our runs it knows, and which of them the state does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from wfdeploy.model.address import Address
from wfdeploy.model.edits import PutTombstone
from wfdeploy.model.remote import ObservedRun
from wfdeploy.model.state import Attempt, Record
from wfdeploy.model.workflow_id import DerivedId


@dataclass(frozen=True, slots=True)
class Sighting:
    """A listed run that belongs to an address. `tries`: of a resumed run, the how manieth try it is; else 0."""

    address: Address
    fingerprint: str
    generation: int
    run: ObservedRun
    tries: int = 0


Place: TypeAlias = tuple[Address, str, int, int]
"""Address, fingerprint, generation, tries."""


@dataclass(slots=True)
class Sightings:
    """What a listing showed. `unmatched`: runs that belong to no known address. `doubled`: ids of ours that more than
    one run had (which wfdeploy never causes)."""

    sightings: list[Sighting] = field(default_factory=list)
    unmatched: list[ObservedRun] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the state must learn from a listing.

    `adopted`: the newest unknown run of an address, where it is newer than what the state has. `noted`: generations
    of older ones. `found`: the runs of open attempts, by address.
    """

    adopted: dict[Address, Record]
    noted: list[PutTombstone]
    found: dict[Address, ObservedRun]


def sight(
    observed: Iterable[tuple[ObservedRun, DerivedId | None]],
    locate: Callable[[ObservedRun, DerivedId | None], Place | None],
) -> Sightings:
    """Match listed runs, each with its derived id. `locate` gives a run's place, or None."""
    result = Sightings()
    starts: dict[tuple[str, str | None], set[int]] = {}
    unmatched: dict[tuple[str, str | None], ObservedRun] = {}
    for run, derived in observed:
        # An author's id may have been given to one run after the other; the derived id that goes with it says to which.
        key = run.workflow_run_id, None if derived is None else derived.text
        starts.setdefault(key, set()).add(run.created_at_ms)
        place = locate(run, derived)
        if place is None:
            unmatched.setdefault(key, run)
        else:
            address, fingerprint, generation, tries = place
            result.sightings.append(Sighting(address, fingerprint, generation, run, tries))
    result.unmatched = sorted(unmatched.values(), key=lambda run: run.workflow_run_id)
    result.doubled = sorted({run_id for (run_id, _), times in starts.items() if len(times) > 1})
    return result


def adopt(
    sightings: Iterable[Sighting],
    *,
    attempts: Mapping[Address, Attempt],
    highest: Mapping[tuple[str, str], int],
    recorded: Mapping[Address, Record],
    is_declared: Callable[[Sighting], bool],
    record: Callable[[Sighting], Record],
) -> Adoption:
    """Decide what is new.

    `highest`: known generations by (address, fingerprint), tombstones included: what they cover is never adopted.
    `recorded`: the records of these addresses. `is_declared`: whether it is what its address declares now. `record`:
    makes the record of a sighting.
    """

    def order(sighting: Sighting) -> tuple[int, bool, int]:
        # Of two that were created in one tick of the server's clock, the one that is declared is the later one: it
        # was triggered by whoever saw the newer manifest.
        return sighting.run.created_at_ms, is_declared(sighting), sighting.generation

    newest: dict[Address, Sighting] = {}
    noted: list[PutTombstone] = []
    found: dict[Address, ObservedRun] = {}
    for sighting in sightings:
        address = sighting.address
        attempt = attempts.get(address)
        if attempt is not None and attempt.is_open and _of(attempt) == _is(sighting):
            found[address] = sighting.run
            continue
        if sighting.generation <= highest.get((address, sighting.fingerprint), 0) and not _follows(
            sighting, recorded.get(address)
        ):
            continue
        other = newest.get(address)
        if other is None or order(sighting) > order(other):
            newest[address], sighting = sighting, other  # type: ignore[assignment]  # noqa: PLW2901
        if sighting is not None:
            noted.append(PutTombstone(address, sighting.fingerprint, sighting.generation))
    adopted: dict[Address, Record] = {}
    for address, sighting in newest.items():
        known = recorded.get(address)
        if known is None or (sighting.run.created_at_ms, is_declared(sighting)) > (_began(known), False):
            adopted[address] = record(sighting)
        else:
            noted.append(PutTombstone(address, sighting.fingerprint, sighting.generation))
    return Adoption(adopted, noted, found)


def _of(attempt: Attempt) -> tuple[str, int, int]:
    return attempt.fingerprint, attempt.generation, attempt.tries if attempt.is_resume else 0


def _is(sighting: Sighting) -> tuple[str, int, int]:
    return sighting.fingerprint, sighting.generation, sighting.tries


def _follows(sighting: Sighting, known: Record | None) -> bool:
    """Whether it is the recorded run, resumed since."""
    return (
        known is not None
        and (sighting.fingerprint, sighting.generation) == (known.fingerprint, known.generation)
        and sighting.tries > known.tries
    )


def _began(record: Record) -> int:
    return record.created_at_ms or record.recorded_at_ms
